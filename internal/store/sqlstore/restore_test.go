package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

// note is what is noted of the restores of these tests.
func note() store.Restore {
	return store.Restore{
		Tenant: "acme", KeyGeneration: 1, At: time.UnixMicro(7_000_000).UTC(), TakenAt: time.UnixMicro(6_000_000).UTC(),
		Kept: store.Place{Position: 1, Event: "ev_1"}, VoidTokens: []store.TokenMAC{{1}}, MAC: []byte{1},
	}
}

func TestSQLiteRestore(t *testing.T) {
	testRestores(t, map[string]func(testing.TB) place{"sqlite": sqlitePlace})
}

func testPostgresRestore(t *testing.T, p *peer) {
	testRestores(t, map[string]func(testing.TB) place{
		"sqlite": sqlitePlace, "postgres": func(t testing.TB) place { return postgresPlace(t, p) },
	})
}

// testRestores restores from each kind of store into each.
func testRestores(t *testing.T, kinds map[string]func(testing.TB) place) {
	for from, source := range kinds {
		for to, target := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) { testRestore(t, source(t), target(t)) })
		}
	}
	for to, target := range kinds {
		t.Run("broken off in "+to, func(t *testing.T) { testRestoreBrokenOff(t, target) })
		t.Run("not empty in "+to, func(t *testing.T) { testRestoreNotEmpty(t, target(t)) })
		t.Run("older backup to "+to, func(t *testing.T) { testRestoreOlder(t, target(t)) })
	}
}

func open(t testing.TB, path string) *Backup {
	t.Helper()
	b, err := OpenBackup(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func testRestore(t *testing.T, source, target place) {
	before := closing(t, source.open(t))
	storetest.Fill(t, before)
	path := filepath.Join(t.TempDir(), "backup")
	if err := source.backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	b := open(t, path)
	keys, err := b.Keys(t.Context())
	if kept := keys["acme"]; err != nil || len(kept) != 2 || kept[0].Generation != 1 || string(kept[1].Sealing) != "\x01\x00\x02" {
		t.Errorf("keys %+v, %v", keys, err)
	}
	if newest, err := b.Newest(t.Context(), "acme"); err != nil || newest.Position != 1 || newest.ID != "ev_1" {
		t.Errorf("the newest event is %+v, %v", newest, err)
	}
	if none, err := b.Newest(t.Context(), "umbrella"); err != nil || none.Position != 0 {
		t.Errorf("another tenant's newest event is %+v, %v", none, err)
	}
	if err := target.restore(t.Context(), b, silent); err != nil {
		t.Fatal(err)
	}
	after := closing(t, target.open(t))
	storetest.Same(t, before, after)
	var list []store.Restore
	err = after.View(t.Context(), func(tx store.Tx) (err error) {
		list, err = tx.Restores().List("acme")
		return err
	})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d restores are noted, want the earlier one and this: %v", len(list), err)
	}
	if diff := cmp.Diff(note(), list[0]); diff != "" {
		t.Errorf("what is noted (-want +got):\n%s", diff)
	}
	// And it goes on from there: backed up again it is what it was, but for the note.
	again := filepath.Join(t.TempDir(), "again")
	if err := target.backup(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	const all = `SELECT name || ' ' || rows || ' ' || hex(sha256) FROM backup_tables WHERE name <> 'restores' ORDER BY name`
	if diff := cmp.Diff(texts(t, openBackupBeside(t, path), all), texts(t, openBackupBeside(t, again), all)); diff != "" {
		t.Errorf("the first backup and one of what was made of it:\n%s", diff)
	}
}

// testRestoreBrokenOff breaks off in every table in turn. What is left is not opened and not backed up, and can be
// restored into.
func testRestoreBrokenOff(t *testing.T, fresh func(testing.TB) place) {
	b := open(t, makeBackup(t))
	tables, err := sqliteDictionary().bookTables(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	target := fresh(t)
	for _, table := range tables {
		ctx, cancel := context.WithCancel(t.Context())
		err := target.restore(ctx, b, func(name string, _ int64, _ bool) {
			if name == table.name {
				cancel()
			}
		})
		cancel()
		if err == nil {
			t.Fatalf("the restore came to its end although it was broken off in %s", table.name)
		}
		if err := target.fails(t); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "run curfewd restore again") {
			t.Fatalf("broken off in %s, it opens with %v", table.name, err)
		}
		if err := target.backup(t.Context(), filepath.Join(t.TempDir(), "b")); err == nil || !strings.Contains(err.Error(), "restore again") {
			t.Errorf("broken off in %s, its backup ends with %v", table.name, err)
		}
	}
	if err := target.restore(t.Context(), b, silent); err != nil {
		t.Fatal(err)
	}
	closing(t, target.open(t))
}

// testRestoreNotEmpty leaves what is there as it is. A store that was opened and never written to is empty.
func testRestoreNotEmpty(t *testing.T, target place) {
	b := open(t, makeBackup(t))
	s := target.open(t)
	another := store.Key{Tenant: "acme", WrappedKeys: secret.WrappedKeys{
		Generation: 1, Wrapper: "another", Sealing: []byte("another"), Authentication: []byte("another"),
	}}
	if err := s.Update(t.Context(), "key", func(tx store.Tx) error { return tx.Keys().Insert(another) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := target.restore(t.Context(), b, silent)
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "not empty") || !strings.Contains(err.Error(), "tenant_keys") {
		t.Errorf("got %v", err)
	}
	err = closing(t, target.open(t)).View(t.Context(), func(tx store.Tx) error {
		keys, err := tx.Keys().List("acme")
		if len(keys) != 1 || string(keys[0].Sealing) != "another" {
			t.Errorf("the keys have become %v", keys)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// testRestoreOlder restores what an earlier version of this program wrote, without touching the file.
func testRestoreOlder(t *testing.T, target place) {
	const older = 14
	path := makeOlderBackup(t, older)
	b := open(t, path)
	if err := target.restore(t.Context(), b, silent); err != nil {
		t.Fatal(err)
	}
	s := closing(t, target.open(t))
	err := s.View(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Requests().Get("acme", "req"); err != nil {
			return err
		}
		keys, err := tx.Keys().List("acme")
		if len(keys) != 1 || string(keys[0].Sealing) != "wrapped" {
			t.Errorf("the keys are %+v", keys)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if again := texts(t, openBackupBeside(t, path), `SELECT max(version_id) || '' FROM goose_db_version`); again[0] != fmt.Sprint(older) {
		t.Errorf("the backup itself was migrated to %s", again[0])
	}
}

// makeOlderBackup writes a backup as the version of the program did whose newest migration that was.
func makeOlderBackup(t *testing.T, version int64) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "older")
	writeFile(t, path, nil)
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	d, err := sqliteDialect()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(d.goose, db, d.migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, fmt.Sprintf("PRAGMA application_id = %d", backupID))
	mustExec(t, db, `INSERT INTO installation VALUES (1, '0123456789abcdef0123456789abcdef')`)
	mustExec(t, db, `INSERT INTO tenant_keys VALUES ('acme', $1)`, []byte("wrapped"))
	mustExec(t, db, insertRawRequest, "req", "pending")
	tables, err := d.dictionary.bookTables(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, backupSchema)
	mustExec(t, db, `INSERT INTO backup (singleton, format, taken_at) VALUES (1, $1, 1)`, backupFormat)
	for _, table := range tables {
		c, err := readTable(t.Context(), db, table, func([]any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, db, `INSERT INTO backup_tables (name, rows, sha256) VALUES ($1, $2, $3)`, table.name, c.rows, c.sha256)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whoever opens the store of a server that runs is refused, the restore too.
func TestRestoreBesideAServer(t *testing.T) {
	b := open(t, makeBackup(t))
	target := sqlitePlace(t)
	closing(t, target.open(t))
	if err := target.restore(t.Context(), b, silent); access.KindOf(err) != access.KindUnavailable || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}
