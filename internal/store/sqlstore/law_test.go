package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

// open opens the store in the file and closes it in the cleanup of the test.
func open(t testing.TB, path string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenSQLite(t.Context(), path, sqlstore.Options{})
	if err != nil {
		t.Fatalf("OpenSQLite: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestLaw(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return open(t, filepath.Join(t.TempDir(), "books.db")) })
}

func TestLawDurable(t *testing.T) {
	storetest.RunDurable(t, func(t testing.TB) func() store.Store {
		path := filepath.Join(t.TempDir(), "books.db")
		return func() store.Store { return open(t, path) }
	})
}
