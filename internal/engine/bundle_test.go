package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
)

// askForBundle asks for the bundle of two, which is automatic, and whose on_partial is undo or keep.
func askForBundle(t *testing.T, w *World, undo bool) engine.RequestView {
	t.Helper()
	reload(t, w, func(r *engine.Rules) {
		r.Bundles["incident"] = access.Bundle{Entitlements: r.Bundles["incident"].Entitlements, UndoPartial: undo}
		r.Policies = w.Allow(policy.Policy{
			Name: "incident", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{"bundle:incident"},
			MaxDuration: time.Hour, Auto: true,
		})
	})
	r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Bundle: "incident", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return see(t, w, Alice, r.ID)
}

// states counts a request's grants by state and reason.
func states(v engine.RequestView) map[string]int {
	n := map[string]int{}
	for _, g := range v.Grants {
		n[string(g.State)+" "+string(g.EndReason)]++
	}
	return n
}

func TestOnPartial(t *testing.T) {
	never := access.Errorf(access.KindInvalid, "no")
	for _, c := range []struct {
		name  string
		undo  bool
		fault memory.Fault
		want  map[string]int
	}{
		{"keep", false, memory.Fault{Call: connector.CallGrant, Err: never, Times: 1}, map[string]int{"active ": 1, "ended failed": 1}},
		{"undo", true, memory.Fault{Call: connector.CallGrant, Err: never, Times: 1}, map[string]int{"ended failed": 2}},
		{"undo, and both fail at once", true, memory.Fault{Call: connector.CallPrepare}, map[string]int{"ended failed": 2}},
		{"undo, and both fail half-way", true, memory.Fault{Call: connector.CallGrant, Moment: memory.Midway}, map[string]int{"ended failed": 2}},
		{"undo, and both work", true, memory.Fault{Call: connector.CallTidy}, map[string]int{"active ": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				w.Target.Inject(c.fault)
				v := askForBundle(t, w, c.undo)
				time.Sleep(4 * time.Minute)
				synctest.Wait()
				v = see(t, w, Alice, v.Request.ID)
				got := states(v)
				for state, n := range c.want {
					if got[state] != n {
						t.Errorf("the grants are %v, want %v", got, c.want)
					}
				}
				if n := len(w.Target.Accounts()); n != 1+c.want["active "] {
					t.Errorf("%d accounts are at the target", n)
				}
			})
		})
	}
}

// What began and ends in the ordinary way takes nothing else with it.
func TestOnPartialIsAboutTheBeginning(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := askForBundle(t, w, true)
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := states(see(t, w, Alice, v.Request.ID)); got["active "] != 1 || got["ended returned"] != 1 {
			t.Errorf("after one was returned the grants are %v", got)
		}
	})
}

// One that is called off before its start takes nothing else with it.
func TestOnPartialIsNotAboutCallingOff(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		v := askForBundle(t, w, true)
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["active "] != 1 || got["ended returned"] != 1 {
			t.Errorf("after one was called off the grants are %v", got)
		}
	})
}

// One that never reaches the target takes back another that is active already.
func TestPartialUndoOfWhatIsActive(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Times: 1})
		v := askForBundle(t, w, true)
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["active "] != 1 || got["scheduled "] != 1 {
			t.Fatalf("the grants are %v", got)
		}
		w.Target.Inject(memory.Fault{Call: connector.CallPrepare})
		time.Sleep(3 * time.Minute)
		step(t, w)
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["ended failed"] != 2 || len(w.Target.Accounts()) != 1 {
			t.Errorf("the grants are %v, with %d accounts at the target", got, len(w.Target.Accounts()))
		}
	})
}

// A node claims the whole bundle, whose time to begin is over: the first that it ends undoes the others, which it holds.
func TestPartialUndoUnderOneClaim(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallPrepare})
		v := askForBundle(t, w, true)
		time.Sleep(3 * time.Minute)
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["ended failed"] != 2 {
			t.Errorf("the grants are %v", got)
		}
	})
}

// A node claims one that could go on together with another whose time is over: what is undone with it is not tried again.
func TestPartialUndoOfWhatWasClaimed(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Times: 1})
		_, letGrant := w.Target.Inject(memory.Fault{Call: connector.CallGrant})
		v := askForBundle(t, w, true)
		step(t, w) // one begins, and the other a minute later
		time.Sleep(time.Minute)
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["activating "] != 2 {
			t.Fatalf("the grants are %v", got)
		}
		letGrant()
		w.BeforeTransaction("activated", func() { t.Error("what had been undone was granted") })
		time.Sleep(61 * time.Second)
		step(t, w)
		step(t, w)
		if got := states(see(t, w, Alice, v.Request.ID)); got["ended failed"]+got["revoking failed"] != 2 {
			t.Errorf("the grants are %v", got)
		}
	})
}
