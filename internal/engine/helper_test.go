package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// storeFiles reads every file of the store: the database, its log, whatever else lies beside it.
func storeFiles(t *testing.T, w *World) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.Path))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(w.Path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	if len(files) < 2 {
		t.Fatalf("the store has %d files, want the database and its log", len(files))
	}
	return files
}

func readForAnHour() engine.Submission {
	return engine.Submission{Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "x"}
}
