package server

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret/localfile"
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
	first, err := makeKey(t.Context(), st, wrapper)
	if err != nil {
		t.Fatal(err)
	}
	second, err := makeKey(t.Context(), st, wrapper)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the second node has the key %x, %v; want the first one's", second, err)
	}
}
