package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

// place is where a store is kept, to be filled, backed up and restored into.
type place struct {
	open    func(t testing.TB) store.Store
	backup  func(ctx context.Context, to string) error
	restore func(ctx context.Context, b *Backup, told Copied) error
	// fails is the error of opening it.
	fails func(t testing.TB) error
}

func sqlitePlace(t testing.TB) place {
	path := filepath.Join(t.TempDir(), "books.db")
	return place{
		open: func(t testing.TB) store.Store {
			s, err := OpenSQLite(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		backup: func(ctx context.Context, to string) error { return BackupSQLite(ctx, path, to, silent) },
		restore: func(ctx context.Context, b *Backup, told Copied) error {
			return b.RestoreSQLite(ctx, path, note(), told)
		},
		fails: func(t testing.TB) error {
			_, err := OpenSQLite(t.Context(), path, Options{})
			return err
		},
	}
}

func postgresPlace(t testing.TB, p *peer) place {
	dsn := p.empty(t)
	return place{
		open: func(t testing.TB) store.Store {
			s, err := OpenPostgres(t.Context(), dsn, Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		backup: func(ctx context.Context, to string) error { return BackupPostgres(ctx, dsn, to, silent) },
		restore: func(ctx context.Context, b *Backup, told Copied) error {
			return b.RestorePostgres(ctx, dsn, note(), told)
		},
		fails: func(t testing.TB) error {
			_, err := OpenPostgres(t.Context(), dsn, Options{})
			return err
		},
	}
}

func silent(string, int64, bool) {}

func TestSQLiteBackup(t *testing.T) { testBackups(t, sqlitePlace) }

func testPostgresBackup(t *testing.T, p *peer) {
	testBackups(t, func(t testing.TB) place { return postgresPlace(t, p) })
}

// testBackups are of either kind of store.
func testBackups(t *testing.T, fresh func(testing.TB) place) {
	for name, test := range map[string]func(*testing.T, place){
		"every table": testEveryTableIsCopied, "under load": testBackupUnderLoad, "refused": testBackupRefused,
		"broken off": testBackupBrokenOff, "beside a stopped store": testBackupOfStoppedStore,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// closing closes a store with the test.
func closing(t testing.TB, s store.Store) store.Store {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// testEveryTableIsCopied fails when a migration adds a table that storetest.Fill does not fill, so that whoever adds one
// thinks of it here; that it is copied follows from the schema.
func testEveryTableIsCopied(t *testing.T, at place) {
	storetest.Fill(t, closing(t, at.open(t)))
	to := filepath.Join(t.TempDir(), "books.backup")
	if err := at.backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	b, err := OpenBackup(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tables := texts(t, openBackupBeside(t, to), `SELECT name || ' ' || (rows > 0) FROM `+backupTables+` ORDER BY name`)
	if len(tables) < 11 {
		t.Errorf("only %d tables are in the backup", len(tables))
	}
	for _, line := range tables {
		if name, filled, _ := strings.Cut(line, " "); filled != "1" {
			t.Errorf("the table %s is empty: have storetest.Fill write to it", name)
		}
	}
	all := texts(t, openBackupBeside(t, to), sqliteDictionary().tables)
	for name := range notBooks {
		if !slices.Contains(all, name) {
			t.Errorf("there is no table %s to leave out", name)
		}
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	if time.Since(b.TakenAt()).Abs() > time.Hour {
		t.Errorf("it was taken at %s", b.TakenAt())
	}
}

// openBackupBeside opens the file of a backup with no regard to what it is.
func openBackupBeside(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// testBackupUnderLoad takes backups while transactions write two things each: a backup has both or neither.
func testBackupUnderLoad(t *testing.T, at place) {
	s := closing(t, at.open(t))
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	written := make(chan struct{}, 1)
	// allowed bounds what is written in the time of one backup.
	allowed := make(chan struct{}, 1000)
	for w := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-allowed:
				case <-ctx.Done():
					return
				}
				err := s.Update(t.Context(), "two", func(tx store.Tx) error {
					id := fmt.Sprintf("%d-%06d", w, n)
					if err := tx.Policies().Put("acme", id, []byte(id)); err != nil {
						return err
					}
					return tx.Events().Append(store.EventRow{ID: access.EventID(id), Tenant: "acme", Kind: "k", Leaf: []byte(id)})
				})
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case written <- struct{}{}:
				default:
				}
			}
		})
	}
	last := 0
	for i := range 5 {
		for len(allowed) < cap(allowed) {
			allowed <- struct{}{}
		}
		<-written
		<-written
		to := filepath.Join(t.TempDir(), fmt.Sprintf("backup-%d", i))
		if err := at.backup(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		pairs := texts(t, openBackupBeside(t, to), `SELECT count(*) || ' ' || count(e.id) || ' ' || (SELECT count(*) FROM events)
			FROM policies AS p LEFT JOIN events AS e ON e.id = p.digest`)
		var policies, both, events int
		if _, err := fmt.Sscan(pairs[0], &policies, &both, &events); err != nil || policies != both || both != events || both <= last {
			t.Errorf("backup %d has %s (policies, with their event, events), after %d", i, pairs[0], last)
		}
		last = both
	}
	stop()
	writers.Wait()
}

// testBackupRefused leaves what is there as it was, and nothing half done.
func testBackupRefused(t *testing.T, at place) {
	closing(t, at.open(t))
	folder := t.TempDir()
	taken := filepath.Join(folder, "taken")
	writeFile(t, taken, []byte("an older backup"))
	err := at.backup(t.Context(), taken)
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "do not overwrite") {
		t.Errorf("over another file: %v", err)
	}
	if content, err := os.ReadFile(taken); err != nil || string(content) != "an older backup" {
		t.Errorf("the other file has become %q, %v", content, err)
	}
	if err := at.backup(t.Context(), filepath.Join(folder, "none", "b")); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("it leaves %v, %v", entries, err)
	}
}

// testBackupBrokenOff leaves nothing behind.
func testBackupBrokenOff(t *testing.T, at place) {
	storetest.Fill(t, closing(t, at.open(t)))
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := at.backup(ctx, filepath.Join(folder, "b")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Errorf("it leaves %v, %v", entries, err)
	}
}

func testBackupOfStoppedStore(t *testing.T, at place) {
	s := at.open(t)
	storetest.Fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := at.backup(t.Context(), filepath.Join(t.TempDir(), "b")); err != nil {
		t.Error(err)
	}
	closing(t, at.open(t)) // as before
}

// makeBackup leaves a backup of a filled store.
func makeBackup(t testing.TB) string {
	t.Helper()
	at := sqlitePlace(t)
	s := at.open(t)
	storetest.Fill(t, s)
	to := filepath.Join(t.TempDir(), "books.backup")
	if err := errors.Join(at.backup(t.Context(), to), s.Close()); err != nil {
		t.Fatal(err)
	}
	return to
}

// A byte that has changed anywhere in the file is noticed, or means nothing: what is read is what was written.
func TestDamagedBackupIsRefused(t *testing.T) {
	whole, err := os.ReadFile(makeBackup(t))
	if err != nil {
		t.Fatal(err)
	}
	noticed := 0
	// A step that is no divisor of the page size comes by every place in a page.
	for offset := 0; offset < len(whole); offset += 397 {
		path := filepath.Join(t.TempDir(), "damaged")
		content := slices.Clone(whole)
		content[offset] ^= 0x41
		writeFile(t, path, content)
		if b, err := OpenBackup(t.Context(), path); err == nil {
			_ = b.Close()
		} else {
			noticed++
		}
	}
	if noticed < 20 {
		t.Errorf("only %d changes were noticed", noticed)
	}
	path := filepath.Join(t.TempDir(), "cut")
	writeFile(t, path, whole[:len(whole)/2])
	if _, err := OpenBackup(t.Context(), path); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("half a file: %v", err)
	}
}

// What SQLite cannot notice, a value that has become another, is noticed by what the backup says of each table.
func TestChangedBackupIsRefused(t *testing.T) {
	for _, change := range []string{
		`UPDATE plans SET sealed = x'00'`, `DELETE FROM leases`, `UPDATE tenant_keys SET wrapper = 'another'`,
		`UPDATE installation SET id = replace(id, substr(id, 1, 1), 'x')`, `INSERT INTO policies VALUES ('acme', 'd', x'')`,
		`DELETE FROM backup_tables WHERE name = 'events'`, `DELETE FROM backup`, `DROP TABLE plans`,
		`PRAGMA foreign_keys = 0; DELETE FROM policies`,
	} {
		path := makeBackup(t)
		db := openBackupBeside(t, path)
		db.SetMaxOpenConns(1)
		mustExec(t, db, change)
		if _, err := OpenBackup(t.Context(), path); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

func TestBackupIsForThisProgram(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`, "schema 999"},
		{`UPDATE backup SET format = 2`, "format 2"},
		{`PRAGMA application_id = 7`, "another program"},
		{`PRAGMA application_id = 1129465431`, "is a store and no backup"}, // CRFW
	} {
		path := makeBackup(t)
		mustExec(t, openBackupBeside(t, path), c.change)
		if _, err := OpenBackup(t.Context(), path); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.change, err)
		}
	}
	path := makeBackup(t)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBackup(t.Context(), path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// No store is made of one by naming it in the configuration.
	if _, err := OpenSQLite(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "curfewd restore") {
		t.Errorf("opened as a store: %v", err)
	}
}

// A store that a newer or an older program serves is backed up by that program.
func TestBackupOfAnotherVersion(t *testing.T) {
	path := makeStore(t, 1)
	inStore(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	err := BackupSQLite(t.Context(), path, filepath.Join(t.TempDir(), "b"), silent)
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "schema 999") {
		t.Errorf("got %v", err)
	}
}
