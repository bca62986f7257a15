package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
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
	for text, legal := range map[string]bool{
		`UPDATE tenant_keys SET sealing = NULL WHERE generation = 2`:  false,
		`DELETE FROM tenant_keys WHERE generation = 2`:                false,
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
	path := filepath.Join(t.TempDir(), "books.db")
	options := Options{NumberEvents: true}
	s, err := OpenSQLite(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := OpenSQLite(t.Context(), path, options); access.KindOf(err) != access.KindUnavailable {
		t.Fatalf("a second process that wants it for itself: %v", err)
	}
	beside, err := OpenSQLiteBeside(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
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
	err = s.View(t.Context(), func(tx store.Tx) error {
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
