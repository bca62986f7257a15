package memory

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// TestLawFindsPlantedBugs shows that the law can fail: each bug must be found by the cases that are there for it, and
// every case must find one.
func TestLawFindsPlantedBugs(t *testing.T) {
	cases := map[string]connectortest.Case{}
	for _, c := range connectortest.Cases() {
		cases[c.Name] = c
	}
	found := map[string]bool{}
	for _, bug := range plantedBugs() {
		t.Run(bug.name, func(t *testing.T) {
			for _, name := range bug.foundBy {
				c, there := cases[name]
				if !there {
					t.Fatalf("there is no case %q", name)
				}
				found[name] = true
				if failures := record(t, c, bug.plant); len(failures) == 0 {
					t.Errorf("case %q passes", name)
				} else {
					t.Logf("case %q: %s", name, failures[0])
				}
			}
		})
	}
	for name := range cases {
		if !found[name] {
			t.Errorf("no planted bug shows that the case %q can fail", name)
		}
	}
}

// TestRecorderPassesWhatIsRight shows that the failures above come from the bugs and not from the recorder.
func TestRecorderPassesWhatIsRight(t *testing.T) {
	healthy := func(h *connectortest.Harness, _ *Target) { h.Patience = 0 }
	for _, c := range connectortest.Cases() {
		if failures := record(t, c, healthy); len(failures) > 0 {
			t.Errorf("case %q: %s", c.Name, failures)
		}
	}
}

// record runs the case against a target of its own with the bug, and returns what it had to say.
func record(t *testing.T, c connectortest.Case, plant func(*connectortest.Harness, *Target)) []string {
	target := newTestTarget()
	h := newHarness(target)
	if c.NotApplicable(h) != "" {
		target = newGroupTarget()
		h = newGroupHarness(target, connector.MarkedRight)
	}
	h.Patience = 50 * time.Millisecond
	plant(h, target)
	r := &recorder{TB: t}
	r.run(func() { c.Run(r, h) })
	return r.failures
}

// recorder is a testing.TB whose failures are wanted.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

// run runs f as a test of its own, cleanups included.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		f()
	}()
	<-done
}

func (r *recorder) Context() context.Context { return context.Background() }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)        { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(f, args...))
}
func (r *recorder) Fatal(args ...any)            { r.Error(args...); r.FailNow() }
func (r *recorder) Fatalf(f string, args ...any) { r.Errorf(f, args...); r.FailNow() }
func (r *recorder) FailNow()                     { runtime.Goexit() }

// bug is a mistake that a driver or its target can make.
type bug struct {
	name    string
	plant   func(h *connectortest.Harness, target *Target)
	foundBy []string
}

func plantedBugs() []bug {
	return slices.Concat(grantBugs(), injectionBugs(), credentialBugs(), expiryBugs(), leftoverBugs(), overreachBugs(),
		stuckBugs(), streamBugs(), observeBugs(), faultBugs(), batchBugs(), groupBugs())
}
