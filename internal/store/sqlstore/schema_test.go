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
func openRaw(t *testing.T) (*SQLite, *sql.DB) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, openBeside(t, path)
}

// openBeside opens a connection to the file of an open store.
func openBeside(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(context.Background(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

const (
	// The columns that every version of the schema has had; those that were added since have defaults.
	rawRequestColumns = `tenant, id, principal_issuer, principal_subject, person, bundle, entitlements, duration,
		start_at, reason, ticket, params, break_glass, recipient, hash, state, created_at, lapses_at, settled_at, version`
	insertRawRequest = `INSERT INTO requests (` + rawRequestColumns + `)
		VALUES ('acme', $1, 'i', 's', 'p', '', '[]', 1, NULL, '', '', '{}', '0', NULL, NULL, $2, 1, NULL, NULL, 1)`
	insertRawGrant = `INSERT INTO grants (` + grantColumns + `)
		VALUES ('acme', $1, 'req', 'i', 's', 'p', 'c', 'r', 'w', 1, '', 1, $2, '', NULL, NULL, NULL, NULL, NULL, '',
			NULL, 0, '', NULL, 0, NULL, '', 0, NULL, 0, '', '', 1, '')`
	insertRawFinding = `INSERT INTO findings (` + findingColumns + `)
		VALUES ('acme', $1, 'c', 'foreign', $2, $1, '', '', '', '', '', 1, NULL, '', '', '', 1)`
)

// catalog is the schema of a store with a way round it: queries on what the database says of itself.
type catalog struct {
	*sql.DB
	// tables lists the tables; columns the name and type of each column of $1; key the first column of the primary key of
	// $1; foreign the first pair of columns of each foreign key of $1.
	tables, columns, key, foreign string
}

// schemaCases hold of every database that has our tables, whoever writes to it.
func schemaCases() map[string]func(*testing.T, catalog) {
	return map[string]func(*testing.T, catalog){
		"transitions": testTransitionsInDatabase, "the end is verified": testEndVerifiedInDatabase,
		"frozen columns": testFrozenColumns, "kept for ever": testKeptForEver, "tenant in every key": testTenantInEveryKey,
		"a key that is needed": testNeededKeyInDatabase,
	}
}

func TestSQLiteSchema(t *testing.T) {
	for name, test := range schemaCases() {
		t.Run(name, func(t *testing.T) {
			_, db := openRaw(t)
			test(t, catalog{
				DB:      db,
				tables:  `SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence'`,
				columns: `SELECT name || ' ' || type FROM pragma_table_info($1)`,
				key:     `SELECT name FROM pragma_table_info($1) WHERE pk = 1`,
				foreign: `SELECT "from" || '=' || "to" FROM pragma_foreign_key_list($1) WHERE seq = 0`,
			})
		})
	}
}

func testPostgresSchema(t *testing.T, p *peer) {
	const attribute = `(SELECT attname FROM pg_attribute WHERE attrelid = c.%s AND attnum = c.%s[1])`
	const ofTable = ` FROM pg_constraint AS c WHERE c.conrelid = $1::regclass AND c.contype = `
	own, other := fmt.Sprintf(attribute, "conrelid", "conkey"), fmt.Sprintf(attribute, "confrelid", "confkey")
	for name, test := range schemaCases() {
		t.Run(name, func(t *testing.T) {
			dsn := p.empty(t)
			openPostgres(t, dsn)
			db, err := sql.Open("pgx", dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			test(t, catalog{
				DB:     db,
				tables: `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
				columns: `SELECT column_name || ' ' || CASE data_type WHEN 'bigint' THEN 'INTEGER' ELSE upper(data_type) END
					FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1`,
				key:     `SELECT ` + own + ofTable + `'p'`,
				foreign: `SELECT ` + own + ` || '=' || ` + other + ofTable + `'f'`,
			})
		})
	}
}

// testTransitionsInDatabase goes round the store: the database itself holds the table of package access.
func testTransitionsInDatabase(t *testing.T, c catalog) {
	mustExec(t, c.DB, insertRawRequest, "req", "pending")
	for _, from := range access.GrantStates() {
		for _, to := range access.GrantStates() {
			id := fmt.Sprintf("gr_%s_%s", from, to)
			mustExec(t, c.DB, insertRawGrant, id, from)
			_, err := c.Exec(`UPDATE grants SET state = $1 WHERE id = $2`, to, id)
			if legal := from == to || from.CanBecome(to); legal != (err == nil) {
				t.Errorf("grant %s → %s: legal is %t, the database says %v", from, to, legal, err)
			}
		}
	}
	for _, from := range access.FindingStates() {
		for _, to := range access.FindingStates() {
			id := fmt.Sprintf("fd_%s_%s", from, to)
			mustExec(t, c.DB, insertRawFinding, id, from)
			_, err := c.Exec(`UPDATE findings SET state = $1 WHERE id = $2`, to, id)
			if legal := from.CanBecome(to); legal != (err == nil) {
				t.Errorf("finding %s → %s: legal is %t, the database says %v", from, to, legal, err)
			}
		}
	}
	for _, from := range access.RequestStates() {
		for _, to := range access.RequestStates() {
			id := fmt.Sprintf("req_%s_%s", from, to)
			mustExec(t, c.DB, insertRawRequest, id, from)
			_, err := c.Exec(`UPDATE requests SET state = $1 WHERE id = $2`, to, id)
			if legal := from.CanBecome(to); legal != (err == nil) {
				t.Errorf("request %s → %s: legal is %t, the database says %v", from, to, legal, err)
			}
		}
	}
}

// testEndVerifiedInDatabase goes round the store too.
func testEndVerifiedInDatabase(t *testing.T, c catalog) {
	mustExec(t, c.DB, insertRawRequest, "req", "pending")
	for _, test := range []struct {
		change string
		legal  bool
	}{
		{`activated_at = NULL`, true},
		{`activated_at = 1`, false},
		{`activated_at = 1, end_reason = 'expired'`, false},
		{`activated_at = 1, verified_at = 2`, true},
		{`activated_at = 1, end_reason = 'attested'`, true},
	} {
		mustExec(t, c.DB, insertRawGrant, test.change, "revoking")
		_, err := c.Exec(`UPDATE grants SET state = 'ended', `+test.change+` WHERE id = $1`, test.change)
		if test.legal != (err == nil) {
			t.Errorf("ended with %s: legal is %t, the database says %v", test.change, test.legal, err)
		}
	}
}

// testFrozenColumns reads the columns from the database, so that a column that is added later must be placed.
func testFrozenColumns(t *testing.T, c catalog) {
	work := []string{"due_at", "lease", "attempt", "act_by", "failures", "last_error", "housekeeping", "version"}
	identity := []string{
		"tenant", "id", "request_id", "principal_issuer", "principal_subject", "person", "connector", "resource",
		"permission", "created_at", "acts_for",
	}
	mustExec(t, c.DB, insertRawRequest, "req", "pending")
	mustExec(t, c.DB, insertRawGrant, "gr_ended", "ended")
	mustExec(t, c.DB, insertRawGrant, "gr_active", "active")
	all := texts(t, c.DB, c.columns, "grants")
	if len(all) < len(work)+len(identity) {
		t.Errorf("the database has only the columns %v", all)
	}
	for _, line := range all {
		column, kind, _ := strings.Cut(line, " ")
		value := "'revoking'"
		switch {
		case column == "end_reason":
			value = "'attested'"
		case column != "state" && kind == "TEXT":
			value = "'changed'"
		case kind == "INTEGER":
			value = "77"
		}
		_, err := c.Exec(`UPDATE grants SET ` + column + ` = ` + value + ` WHERE id = 'gr_ended'`)
		if free := slices.Contains(work, column); free != (err == nil) {
			t.Errorf("changing %s of an ended grant: free is %t, the database says %v", column, free, err)
		}
		if slices.Contains(identity, column) {
			if _, err := c.Exec(`UPDATE grants SET ` + column + ` = ` + value + ` WHERE id = 'gr_active'`); err == nil {
				t.Errorf("%s, which identifies a grant, can be changed", column)
			}
		}
	}
}

func testKeptForEver(t *testing.T, c catalog) {
	b := []byte{0}
	mustExec(t, c.DB, insertRawRequest, "req", "pending")
	mustExec(t, c.DB, insertRawGrant, "gr", "active")
	mustExec(t, c.DB, insertRawFinding, "fd", "open")
	mustExec(t, c.DB, `INSERT INTO policies (tenant, digest, text) VALUES ('acme', 'd', $1)`, b)
	mustExec(t, c.DB, `INSERT INTO decisions VALUES ('acme', 'req', 0, 1, 'd', $1, $2)`, b, b)
	mustExec(t, c.DB, `INSERT INTO reviews VALUES ('acme', 'rev', 'req', 'i', 's', 'p', 'deny', 0, '', $1, 1, '', '', '')`, b)
	mustExec(t, c.DB, `INSERT INTO events (tenant, id, at, kind, person, leaf) VALUES ('acme', 'ev', 1, 'k', '', $1)`, b)
	mustExec(t, c.DB, `INSERT INTO events (tenant, id, at, kind, person, leaf) VALUES ('acme', 'new', 1, 'k', '', $1)`, b)
	mustExec(t, c.DB, `UPDATE events SET position = 1 WHERE id = 'ev'`)
	mustExec(t, c.DB, `INSERT INTO attestations VALUES ('acme', 'gr', 'p', 'i', 's', '', 1)`)
	for _, text := range []string{
		`DELETE FROM attestations`, `UPDATE attestations SET reason = 'x'`,
		`DELETE FROM requests`, `DELETE FROM grants`, `DELETE FROM decisions`, `DELETE FROM reviews`,
		`DELETE FROM events`, `DELETE FROM findings`, `UPDATE decisions SET sequence = 7`, `UPDATE reviews SET verdict = 'approve'`,
		`UPDATE events SET position = 2 WHERE id = 'ev'`, `UPDATE events SET position = NULL WHERE id = 'ev'`,
		`UPDATE events SET position = 1 WHERE id = 'new'`, `UPDATE events SET position = 0 WHERE id = 'new'`,
		`UPDATE events SET kind = 'x', position = 2 WHERE id = 'new'`, `UPDATE events SET at = 2 WHERE id = 'ev'`,
	} {
		if _, err := c.Exec(text); err == nil {
			t.Errorf("%s succeeds", text)
		}
	}
}

// testTenantInEveryKey holds for every table but those that say of whose world they are not.
func testTenantInEveryKey(t *testing.T, c catalog) {
	shared := []string{"installation", "grant_transitions", "request_transitions", "finding_transitions", "goose_db_version", "leases", "restoring", "erasing"}
	tables := texts(t, c.DB, c.tables)
	if len(tables) < 12 {
		t.Errorf("the database has only the tables %v", tables)
	}
	for _, table := range tables {
		if slices.Contains(shared, table) {
			continue
		}
		if key := texts(t, c.DB, c.key, table); len(key) != 1 || key[0] != "tenant" {
			t.Errorf("the key of table %s begins with %v; want tenant", table, key)
		}
		for _, columns := range texts(t, c.DB, c.foreign, table) {
			if columns != "tenant=tenant" {
				t.Errorf("a foreign key of table %s begins with %s; want tenant=tenant", table, columns)
			}
		}
	}
}

// TestTablesAreStrict is about SQLite, which otherwise keeps anything in any column.
func TestTablesAreStrict(t *testing.T) {
	_, db := openRaw(t)
	lax := texts(t, db, `SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0
		AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if len(lax) > 0 {
		t.Errorf("the tables %v are not STRICT", lax)
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
