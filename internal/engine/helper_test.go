package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
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

// alone runs a test in time of its own without a runner: every step is the test's.
func alone(t *testing.T, test func(t *testing.T, w *World), options ...Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, options...)) })
}

// step does what is due in the one lane there is.
func step(t *testing.T, w *World) {
	t.Helper()
	now, err := w.Store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"}
	if _, err := w.Engine.Step(t.Context(), now, lane, 16); err != nil {
		t.Fatal(err)
	}
}

// submitted asks for an hour of what is automatic, and waits for nothing.
func submitted(t *testing.T, w *World) engine.RequestView {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
	if err != nil {
		t.Fatal(err)
	}
	return see(t, w, Alice, r.ID)
}

func readForAnHour() engine.Submission {
	return engine.Submission{Entitlements: []access.Entitlement{Entitlement(Read)}, Duration: time.Hour, Reason: "x"}
}
