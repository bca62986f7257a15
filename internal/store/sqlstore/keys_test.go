package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// firstKey is a tenant's first generation.
func firstKey(tenant access.TenantID) store.Key {
	return store.Key{Tenant: tenant, WrappedKeys: secret.WrappedKeys{
		Generation: 1, Wrapper: "test", Sealing: []byte("sealing"), Authentication: []byte("authentication"),
	}}
}

// sealed says of bytes that the first generation has sealed them.
func sealed(b []byte) store.Sealed { return store.Sealed{Generation: 1, Bytes: b} }

// testNeededKeyInDatabase goes round the store: the database itself keeps what something is sealed under.
func testNeededKeyInDatabase(t *testing.T, c catalog) {
	b := []byte{1}
	mustExec(t, c.DB, insertRawRequest, "req", "pending")
	mustExec(t, c.DB, insertRawGrant, "gr", "active")
	for _, generation := range []int{1, 2, 3} {
		mustExec(t, c.DB, `INSERT INTO tenant_keys (tenant, generation, wrapper, sealing, authentication) VALUES ('acme', $1, 'w', $2, $3)`, generation, b, b)
	}
	mustExec(t, c.DB, `INSERT INTO plans (tenant, grant_id, sealed, key_generation) VALUES ('acme', 'gr', $1, 2)`, b)
	mustExec(t, c.DB, `INSERT INTO tenant_keys (tenant, generation, wrapper, sealing, authentication) VALUES ('acme', 5, 'w', $1, $2)`, b, b)
	mustExec(t, c.DB, `INSERT INTO configurations (tenant, state, digest, sealed, key_generation, since) VALUES ('acme', 'waiting', 'd', $1, 5, 1)`, b)
	for text, legal := range map[string]bool{
		`UPDATE tenant_keys SET sealing = NULL WHERE generation = 2`:  false,
		`DELETE FROM tenant_keys WHERE generation = 2`:                false,
		`UPDATE tenant_keys SET sealing = NULL WHERE generation = 5`:  false,
		`DELETE FROM tenant_keys WHERE generation = 5`:                false,
		`UPDATE tenant_keys SET generation = 4 WHERE generation = 2`:  false,
		`UPDATE tenant_keys SET tenant = 'x' WHERE generation = 1`:    false,
		`UPDATE tenant_keys SET wrapper = 'x' WHERE generation = 2`:   true,
		`UPDATE tenant_keys SET sealing = NULL WHERE generation = 1`:  true,
		`DELETE FROM tenant_keys WHERE generation = 3`:                true,
		`UPDATE restores SET key_generation = 2 WHERE tenant = 'any'`: true, // there is none
	} {
		if _, err := c.Exec(text); legal != (err == nil) {
			t.Errorf("%s: legal is %t, the database says %v", text, legal, err)
		}
	}
}

// TestBeside writes to a store beside the process that has it open, while that one writes too.
func TestBeside(t *testing.T) {
	s, beside := openTwice(t)
	if _, err := OpenSQLite(t.Context(), s.writer.scrub.path, Options{}); access.KindOf(err) != access.KindUnavailable {
		t.Fatalf("a second process that wants it for itself: %v", err)
	}
	const each = 50
	done := make(chan error, 2)
	for i, st := range []*SQLite{s, beside} {
		go func() {
			for n := range each {
				err := st.Update(context.Background(), "append", func(tx store.Tx) error {
					return tx.Events().Append(store.EventRow{
						Tenant: "acme", ID: access.EventID(fmt.Sprintf("ev_%d_%03d", i, n)), At: tx.Now(), Kind: "k", Leaf: []byte{1},
					})
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List("acme", store.EventFilter{}, 0, 1000)
		for i, r := range rows {
			if r.Position != int64(i)+1 {
				t.Errorf("event %d has the position %d", i+1, r.Position)
			}
		}
		if len(rows) != 2*each {
			t.Errorf("%d events, want %d", len(rows), 2*each)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBesideUnderLoad writes beside a process that commits without a pause: no turn of the one is skipped by the other.
func TestBesideUnderLoad(t *testing.T) {
	s, beside := openTwice(t)
	note := func(id string) func(store.Tx) error {
		return func(tx store.Tx) error {
			return tx.Events().Append(store.EventRow{Tenant: "acme", ID: access.EventID(id), At: tx.Now(), Kind: "k", Leaf: []byte{1}})
		}
	}
	var load sync.WaitGroup
	stop := make(chan struct{})
	for i := range 16 {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Update(t.Context(), "append", note(fmt.Sprintf("ev_%d_%d", i, n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 10 {
		if _, err := beside.writer.turn.begin(); err != nil {
			t.Fatal(err)
		}
		before, within := s.Stats().Commits, int64(0)
		err := beside.Update(t.Context(), "append", func(tx store.Tx) error {
			within = s.Stats().Commits
			return note(fmt.Sprintf("ev_beside_%d", n))(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		if passed := within - before; passed > 2 { // one that had begun, and one that was not counted yet
			t.Errorf("%d commits passed before the turn of the one beside", passed)
		}
	}
	close(stop)
	load.Wait()
}

// TestStoppedBeside has somebody stop in their turn: the process that has the store waits for them once, and goes on.
func TestStoppedBeside(t *testing.T) {
	s, beside := openTwice(t)
	nothing := func(store.Tx) error { return nil }
	done, err := beside.writer.turn.begin()
	if err != nil {
		t.Fatal(err)
	}
	began := s.clock.Now()
	for range 3 {
		if err := s.Update(t.Context(), "nothing", nothing); err != nil {
			t.Fatal(err)
		}
	}
	if waited := s.clock.Now().Sub(began); waited < yieldLimit {
		t.Errorf("it waited for %s, want at least %s", waited, yieldLimit)
	}
	if !s.writer.turn.ignored {
		t.Error("the turn that lasts too long is not ignored")
	}
	done()
	if err := s.Update(t.Context(), "nothing", nothing); err != nil || s.writer.turn.ignored {
		t.Errorf("after its end: %v, and turns are ignored is %t", err, s.writer.turn.ignored)
	}
}

// openTwice opens a new store twice.
func openTwice(t *testing.T) (s, beside *SQLite) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "books.db")
	options := Options{NumberEvents: true}
	s, err := OpenSQLite(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if beside, err = OpenSQLiteBeside(t.Context(), path, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() })
	return s, beside
}

// A store is not made, migrated or repaired beside anybody.
func TestBesideTakesWhatIsThere(t *testing.T) {
	folder := t.TempDir()
	if _, err := OpenSQLiteBeside(t.Context(), filepath.Join(folder, "none.db"), Options{}); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("where there is no store: %v", err)
	}
	path := filepath.Join(folder, "books.db")
	s, err := OpenSQLite(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", sqliteURL(path))
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSQLiteBeside(t.Context(), path, Options{}); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("an older store: %v", err)
	}
}
