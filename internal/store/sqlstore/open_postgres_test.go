package sqlstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testPostgresRefused lists what OpenPostgres refuses, with a sentence that says what to do and no password.
func testPostgresRefused(t *testing.T, p *peer) {
	good := p.empty(t)
	openPostgres(t, good)
	super := func(texts ...string) { p.run(t, p.SuperuserDSN("curfew"), texts...) }
	newer := p.empty(t)
	openPostgres(t, newer)
	p.run(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
	super(`CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'`,
		`CREATE ROLE careless LOGIN PASSWORD 'choose a password'`, `GRANT CONNECT ON DATABASE curfew TO careless`,
		`CREATE SCHEMA careless AUTHORIZATION careless`, `ALTER ROLE careless SET synchronous_commit = off`)
	tests := []struct {
		name, dsn string
		kind      access.Kind
		want      string
	}{
		{"no connection string", "choose a password", access.KindMisconfigured, "cannot be read"},
		{"a port that is none", strings.Replace(good, p.Addr(), "127.0.0.1:99999999", 1), access.KindMisconfigured, "cannot be read"},
		{"a pool that is none", with(t, good, "pool_max_conns", "many"), access.KindMisconfigured, "pool_"},
		{"two schemas", with(t, good, "search_path", "curfew, public"), access.KindMisconfigured, "search_path"},
		{"no such schema", with(t, good, "search_path", "nowhere"), access.KindMisconfigured, "docs/store.md"},
		{"another's schema", with(t, good, "search_path", "careless"), access.KindMisconfigured, "docs/store.md"},
		{"no such database", p.DSN("nowhere", "curfew_store", "choose a password"), access.KindMisconfigured, "create it"},
		{"another password", p.DSN("curfew", "curfew_store", "choose a password, too"), access.KindMisconfigured, "log-in"},
		{"nobody listens", strings.Replace(good, p.Addr(), "127.0.0.1:1", 1), access.KindUnavailable, "cannot be reached"},
		{"commits that may be lost", p.DSN("curfew", "careless", "choose a password") + "&search_path=careless", access.KindMisconfigured, "synchronous_commit"},
		{"commits that may be lost, by the connection string", with(t, good, "synchronous_commit", "off"), access.KindMisconfigured, "synchronous_commit"},
		{"another encoding", p.SuperuserDSN("latin"), access.KindMisconfigured, "LATIN1"},
		{"a newer schema", newer, access.KindMisconfigured, "newer program"},
		{"read-only", with(t, good, "default_transaction_read_only", "on"), access.KindUnavailable, "read only"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := OpenPostgres(t.Context(), test.dsn, Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("it opens")
			}
			if access.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got the kind %q, %v\nwant %q, that says %q", access.KindOf(err), err, test.kind, test.want)
			}
			if strings.Contains(err.Error(), "choose a password") || strings.Contains(fmt.Sprintf("%+v", err), "choose a password") {
				t.Errorf("the password is repeated: %+v", err)
			}
		})
	}
}

// testNotDurable turns synchronous_commit off under an open store: no new connection is used.
func testNotDurable(t *testing.T, p *peer) {
	s := openPostgres(t, p.empty(t))
	defer p.run(t, p.SuperuserDSN("curfew"), `ALTER ROLE curfew_store RESET synchronous_commit`)
	p.run(t, p.SuperuserDSN("curfew"), `ALTER ROLE curfew_store SET synchronous_commit = off`)
	s.pool.Reset()
	err := s.Update(t.Context(), "put", put("x"))
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(access.SafeMessage(err), "synchronous_commit") {
		t.Errorf("got %v, want it refused", err)
	}
}

// testOpenedByMany has eight nodes find an empty schema at the same moment.
func testOpenedByMany(t *testing.T, p *peer) {
	dsn := p.empty(t)
	var mu sync.Mutex
	installations := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := OpenPostgres(t.Context(), dsn, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			err = s.View(t.Context(), func(tx store.Tx) error {
				id, err := tx.Installation().ID()
				mu.Lock()
				defer mu.Unlock()
				installations[id]++
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(installations) != 1 {
		t.Errorf("the nodes take the store for %v", installations)
	}
}

// testPostgresSettings reads what transactions really have.
func testPostgresSettings(t *testing.T, p *peer) {
	s := openPostgres(t, with(t, p.empty(t), "statement_timeout", "0"))
	read := func(on store.Tx) map[string]string {
		t.Helper()
		settings := map[string]string{}
		for _, name := range []string{
			"transaction_isolation", "transaction_read_only", "synchronous_commit", "statement_timeout", "lock_timeout",
			"idle_in_transaction_session_timeout", "enable_seqscan", "application_name",
		} {
			r, err := on.(*tx).session.query(`SELECT current_setting($1)`, name)
			if err != nil {
				t.Fatal(err)
			}
			for r.Next() {
				var v string
				if err := r.Scan(&v); err != nil {
					t.Fatal(err)
				}
				settings[name] = v
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return settings
	}
	want := map[string]string{
		"transaction_isolation": "serializable", "transaction_read_only": "off", "synchronous_commit": "on",
		"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s",
		"enable_seqscan": "off", "application_name": "curfew",
	}
	var got map[string]string
	if err := s.Update(t.Context(), "settings", func(on store.Tx) error { got = read(on); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an update (-want +got):\n%s", diff)
	}
	want["transaction_isolation"], want["transaction_read_only"] = "repeatable read", "on"
	if err := s.View(t.Context(), func(on store.Tx) error { got = read(on); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a view (-want +got):\n%s", diff)
	}
}

// testAccount holds the account to what the page gives it, the backup's account to reading, and every text in an
// index to an order that no language changes.
func testAccount(t *testing.T, p *peer) {
	openPostgres(t, p.account())
	own := connect(t, p.account())
	for _, text := range []string{
		`CREATE ROLE more`, `CREATE DATABASE more`, `CREATE SCHEMA more`, `CREATE TABLE public.more ()`,
		`CREATE TEMPORARY TABLE more ()`, `SELECT * FROM pg_authid`, `ALTER ROLE curfew_store SUPERUSER`,
	} {
		if _, err := own.Exec(t.Context(), text); err == nil {
			t.Errorf("%s succeeds as the store's account", text)
		}
	}
	p.run(t, p.SuperuserDSN("curfew"), pageStatements(t, "backup account")...)
	p.run(t, p.account(), pageStatements(t, "backup, in the database curfew")...)
	backup := connect(t, p.DSN("curfew", "curfew_backup", "choose another password"))
	for _, table := range tables(t, own) {
		if _, err := backup.Exec(t.Context(), `SELECT count(*) FROM curfew.`+table); err != nil {
			t.Errorf("the backup cannot read %s: %v", table, err)
		}
		if _, err := backup.Exec(t.Context(), `DELETE FROM curfew.`+table); err == nil {
			t.Errorf("the backup can write to %s", table)
		}
	}
	to := filepath.Join(t.TempDir(), "backup")
	if err := BackupPostgres(t.Context(), p.DSN("curfew", "curfew_backup", "choose another password"), to, silent); err != nil {
		t.Errorf("a backup by the account that cannot write: %v", err)
	}
	rows, err := own.Query(t.Context(), `
		SELECT c.relname || '.' || a.attname FROM pg_index AS i
		JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_attribute AS a ON a.attrelid = i.indexrelid
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'curfew' AND a.attcollation NOT IN (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))`)
	if err != nil {
		t.Fatal(err)
	}
	if lax, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(lax) > 0 {
		t.Errorf("%v, %v: these are ordered by a language", lax, err)
	}
}

func tables(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'curfew'`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) < 12 {
		t.Fatalf("%v, %v: too few tables", list, err)
	}
	return list
}
