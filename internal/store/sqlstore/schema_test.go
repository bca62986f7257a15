package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

// openRaw opens a new store and, beside it, a connection that can do what no method of the store does.
func openRaw(t *testing.T) (*Store, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return s, db
}

func mustExec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

const (
	insertRawRequest = `INSERT INTO requests (` + requestColumns + `)
		VALUES ('acme', $1, 'i', 's', 'p', '', '[]', 1, NULL, '', '', '{}', 0, NULL, NULL, $2, 1, NULL, NULL, 1)`
	insertRawGrant = `INSERT INTO grants (` + grantColumns + `)
		VALUES ('acme', $1, 'req', 'i', 's', 'p', 'c', 'r', 'w', 1, '', 1, $2, '', NULL, NULL, NULL, NULL, NULL, '',
			NULL, 0, NULL, '', 0, NULL, 0, '', '', 1)`
)

// TestTransitionsInDatabase goes round the store: the database itself holds the table of package access.
func TestTransitionsInDatabase(t *testing.T) {
	_, db := openRaw(t)
	mustExec(t, db, insertRawRequest, "req", "pending")
	for _, from := range access.GrantStates() {
		for _, to := range access.GrantStates() {
			id := fmt.Sprintf("gr_%s_%s", from, to)
			mustExec(t, db, insertRawGrant, id, from)
			_, err := db.Exec(`UPDATE grants SET state = $1 WHERE id = $2`, to, id)
			if legal := from == to || from.CanBecome(to); legal != (err == nil) {
				t.Errorf("grant %s → %s: legal is %t, the database says %v", from, to, legal, err)
			}
		}
	}
	for _, from := range access.RequestStates() {
		for _, to := range access.RequestStates() {
			id := fmt.Sprintf("req_%s_%s", from, to)
			mustExec(t, db, insertRawRequest, id, from)
			_, err := db.Exec(`UPDATE requests SET state = $1 WHERE id = $2`, to, id)
			if legal := from.CanBecome(to); legal != (err == nil) {
				t.Errorf("request %s → %s: legal is %t, the database says %v", from, to, legal, err)
			}
		}
	}
}

// TestFrozenColumns reads the columns from the database, so that a column that is added later must be placed.
func TestFrozenColumns(t *testing.T) {
	work := []string{"due_at", "lease", "attempt", "act_by", "failures", "last_error", "housekeeping", "version"}
	identity := []string{
		"tenant", "id", "request_id", "principal_issuer", "principal_subject", "person", "connector", "resource",
		"permission", "created_at",
	}
	_, db := openRaw(t)
	mustExec(t, db, insertRawRequest, "req", "pending")
	mustExec(t, db, insertRawGrant, "gr_ended", "ended")
	mustExec(t, db, insertRawGrant, "gr_active", "active")
	for column, kind := range columns(t, db, "grants") {
		value := "'revoking'"
		switch {
		case column == "end_reason":
			value = "'attested'"
		case column != "state" && kind == "TEXT":
			value = "'changed'"
		case kind == "INTEGER":
			value = "77"
		}
		_, err := db.Exec(`UPDATE grants SET ` + column + ` = ` + value + ` WHERE id = 'gr_ended'`)
		if free := slices.Contains(work, column); free != (err == nil) {
			t.Errorf("changing %s of an ended grant: free is %t, the database says %v", column, free, err)
		}
		if slices.Contains(identity, column) {
			if _, err := db.Exec(`UPDATE grants SET ` + column + ` = ` + value + ` WHERE id = 'gr_active'`); err == nil {
				t.Errorf("%s, which identifies a grant, can be changed", column)
			}
		}
	}
}

func TestKeptForEver(t *testing.T) {
	_, db := openRaw(t)
	mustExec(t, db, insertRawRequest, "req", "pending")
	mustExec(t, db, insertRawGrant, "gr", "active")
	mustExec(t, db, `INSERT INTO policies (tenant, digest, text) VALUES ('acme', 'd', x'00')`)
	mustExec(t, db, `INSERT INTO decisions VALUES ('acme', 'req', 0, 1, 'd', x'00', x'00')`)
	mustExec(t, db, `INSERT INTO reviews VALUES ('acme', 'rev', 'req', 'i', 's', 'p', 'deny', 0, '', x'00', 1)`)
	mustExec(t, db, `INSERT INTO events VALUES ('acme', 1, 'ev', 1, 'k', NULL, NULL, '', x'00')`)
	for _, text := range []string{
		`DELETE FROM requests`, `DELETE FROM grants`, `DELETE FROM decisions`, `DELETE FROM reviews`,
		`DELETE FROM events`, `UPDATE decisions SET input = x'01'`, `UPDATE reviews SET verdict = 'approve'`,
		`UPDATE events SET leaf = x'01'`,
	} {
		if _, err := db.Exec(text); err == nil {
			t.Errorf("%s succeeds", text)
		}
	}
}

// TestTenantInEveryKey holds for every table but those that say of whose world they are not.
func TestTenantInEveryKey(t *testing.T) {
	_, db := openRaw(t)
	shared := []string{"installation", "grant_transitions", "request_transitions", "goose_db_version", "sqlite_sequence"}
	for _, table := range texts(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table'`) {
		if slices.Contains(shared, table) {
			continue
		}
		key := texts(t, db, `SELECT name FROM pragma_table_info($1) WHERE pk = 1`, table)
		if len(key) != 1 || key[0] != "tenant" {
			t.Errorf("the key of table %s begins with %v; want tenant", table, key)
		}
		strict := texts(t, db, `SELECT name FROM pragma_table_list WHERE name = $1 AND strict = 1`, table)
		if len(strict) != 1 {
			t.Errorf("table %s is not STRICT", table)
		}
		const foreign = `SELECT "from" || '=' || "to" FROM pragma_foreign_key_list($1) WHERE seq = 0`
		for _, columns := range texts(t, db, foreign, table) {
			if columns != "tenant=tenant" {
				t.Errorf("a foreign key of table %s begins with %s; want tenant=tenant", table, columns)
			}
		}
	}
}

func texts(t *testing.T, db *sql.DB, text string, args ...any) (list []string) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// columns are the names and types of a table's columns.
func columns(t *testing.T, db *sql.DB, table string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, line := range texts(t, db, `SELECT name || ' ' || type FROM pragma_table_info($1)`, table) {
		name, kind, _ := strings.Cut(line, " ")
		m[name] = kind
	}
	return m
}
