//go:build plantedbugs

package simulation_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/simulation"
)

// plantedRuns bounds the search for one bug: three times what the hardest has needed.
const plantedRuns = 2000

// TestPlantedBugs breaks one rule of the engine after the other. Each must be noticed.
func TestPlantedBugs(t *testing.T) {
	s := newSetup(t)
	found := 0
	for _, bug := range planted.Bugs() {
		t.Setenv(planted.Variable, string(bug))
		n, r := search(t, s)
		if r.Broken == nil {
			t.Errorf("%s was not noticed in %d runs", bug, plantedRuns)
			continue
		}
		found++
		t.Logf("%-26s seed %3d: %s", bug, n, r.Broken.Promise)
	}
	t.Logf("found %d of %d", found, len(planted.Bugs()))
}

// search runs seeds until one breaks a promise.
func search(t *testing.T, s *simulation.Setup) (n uint64, r simulation.Result) {
	t.Helper()
	for n = range plantedRuns {
		if r = simulation.Run(t, s, inMemory, n); r.Broken != nil {
			break
		}
	}
	return n, r
}

// A simpler run breaks the same promise, and does so whenever it is run.
func TestShrink(t *testing.T) {
	s := newSetup(t)
	t.Setenv(planted.Variable, string(planted.CredentialKept))
	_, r := search(t, s)
	simple := simulation.Shrink(t, s, inMemory, r)
	if simple.Broken == nil || simple.Broken.Promise != r.Broken.Promise || len(simple.Trace) > len(r.Trace)*3/4 {
		t.Errorf("a trace of %d lines became one of %d: %v", len(r.Trace), len(simple.Trace), simple.Broken)
	}
}
