package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// TestMigrateEvents opens a store that was written when events had a position from the beginning.
func TestMigrateEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "books.db")
	writeFile(t, path, nil)
	inStore(t, path, "PRAGMA application_id = 1129465431")
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
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`INSERT INTO events VALUES ('acme', 1, 'ev_z', 10, 'k', 'req', NULL, 'p', x'01')`,
		`INSERT INTO events VALUES ('acme', 2, 'ev_a', 20, 'k', NULL, 'gr', 'p', x'02')`,
		`INSERT INTO event_personal VALUES ('acme', 1, 0, 'reason', 'order 17', x'03')`,
		`INSERT INTO event_personal VALUES ('acme', 1, 1, 'comment', 'fine', NULL)`,
	} {
		mustExec(t, db, text)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	s := openSQLite(t, path)
	later := store.EventRow{Tenant: "acme", ID: "ev_b", Kind: "k", Leaf: []byte{4}}
	var got []store.EventRow
	err = s.Update(t.Context(), "go on", func(tx store.Tx) (err error) {
		if err := tx.Events().Append(later); err != nil {
			return err
		}
		if _, err := tx.Events().Sequence("acme", 10); err != nil {
			return err
		}
		got, err = tx.Events().List("acme", store.EventFilter{}, 0, 10)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	later.Position = 3
	want := []store.EventRow{
		{Position: 1, ID: "ev_z", Tenant: "acme", At: access.FromMicros(10), Kind: "k", Request: "req", Person: "p", Leaf: []byte{1},
			Personal: []store.PersonalValue{{Field: "reason", Value: "order 17", Salt: []byte{3}}, {Field: "comment", Value: "fine"}}},
		{Position: 2, ID: "ev_a", Tenant: "acme", At: access.FromMicros(20), Kind: "k", Grant: "gr", Person: "p", Leaf: []byte{2}},
		later,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	for _, table := range texts(t, openBeside(t, path), `SELECT name FROM sqlite_schema WHERE name IN ('events_1', 'event_personal_1')`) {
		t.Errorf("%s is left over", table)
	}
}
