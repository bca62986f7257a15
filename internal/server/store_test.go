package server

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
)

// TestKeyOfAnotherNode makes the tenant's key twice, as two nodes do that find none at the same moment.
func TestKeyOfAnotherNode(t *testing.T) {
	folder := t.TempDir()
	st, err := openStore(t.Context(), config.Store{Path: filepath.Join(folder, "curfew.db")}, Options{Clock: access.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	path := filepath.Join(folder, "key")
	if err := localfile.Create(path); err != nil {
		t.Fatal(err)
	}
	wrapper, err := localfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	installation, _, err := readKeys(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	owner := secret.Owner{Installation: installation, Tenant: access.DefaultTenant}
	var first []store.Key
	for n := range 2 {
		if err := makeKeys(t.Context(), st, wrapper, owner); err != nil {
			t.Fatal(err)
		}
		_, kept, err := readKeys(t.Context(), st)
		if err != nil || len(kept) != 1 {
			t.Fatalf("node %d finds %d keys, %v; want those of the first", n+1, len(kept), err)
		}
		if first == nil {
			first = kept
		}
		if diff := cmp.Diff(first, kept); diff != "" {
			t.Errorf("the second node has made the keys anew:\n%s", diff)
		}
	}
}
