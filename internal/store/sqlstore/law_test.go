package sqlstore

import (
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/storetest"
)

// openSQLite opens the store in the file and closes it in the cleanup of the test.
func openSQLite(t testing.TB, path string) *SQLite {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path, Options{})
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
	storetest.Run(t, func(t testing.TB) store.Store { return openSQLite(t, filepath.Join(t.TempDir(), "books.db")) })
}

func TestLawDurable(t *testing.T) {
	storetest.RunDurable(t, func(t testing.TB) func() store.Store {
		path := filepath.Join(t.TempDir(), "books.db")
		return func() store.Store { return openSQLite(t, path) }
	})
}
