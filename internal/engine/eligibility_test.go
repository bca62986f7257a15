package engine_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// reload changes the rules, and waits until every grant was decided again.
func reload(t *testing.T, w *World, change func(*engine.Rules)) {
	t.Helper()
	if err := w.Reload(change); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// people is a directory of the company as change leaves it.
func people(t *testing.T, change func([]directory.Entry) []directory.Entry) *directory.Directory {
	t.Helper()
	d, err := directory.New(directory.Config{Entries: change(People())})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func without(name string) func([]directory.Entry) []directory.Entry {
	return func(all []directory.Entry) (rest []directory.Entry) {
		for _, e := range all {
			if e.Principal.ID.Subject != name {
				rest = append(rest, e)
			}
		}
		return rest
	}
}

func outOfGroups(name string) func([]directory.Entry) []directory.Entry {
	return func(all []directory.Entry) []directory.Entry {
		for i := range all {
			if all[i].Principal.ID.Subject == name {
				all[i].Principal.Groups = []string{}
			}
		}
		return all
	}
}

// Whatever takes the eligibility away ends the grant at once, open sessions included.
func TestEligibilityLost(t *testing.T) {
	shorter := Policies()
	shorter[0].MaxDuration = 30 * time.Minute
	onlyBackups := Policies()
	onlyBackups[0].When = `resource.labels[?"env"].orValue("") == "backup"`
	for name, change := range map[string]func(*testing.T, *World, *engine.Rules){
		"gone from the directory": func(t *testing.T, _ *World, r *engine.Rules) { r.Directory = people(t, without(Alice)) },
		"out of the group":        func(t *testing.T, _ *World, r *engine.Rules) { r.Directory = people(t, outOfGroups(Alice)) },
		"no policy":               func(_ *testing.T, w *World, r *engine.Rules) { r.Policies = w.Allow(Policies()[1:]...) },
		"another condition":       func(_ *testing.T, w *World, r *engine.Rules) { r.Policies = w.Allow(onlyBackups...) },
		"a shorter maximum":       func(_ *testing.T, w *World, r *engine.Rules) { r.Policies = w.Allow(shorter...) },
		"now with a review": func(_ *testing.T, w *World, r *engine.Rules) {
			p := Policies()
			p[0].Auto, p[0].Stages = false, p[1].Stages
			r.Policies = w.Allow(p...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				v := ask(t, w, Alice, Read, time.Hour)
				later := askFor(t, w, Read, time.Now().Add(time.Hour))
				time.Sleep(time.Minute)
				reload(t, w, func(r *engine.Rules) { change(t, w, r) })
				for _, v := range []engine.RequestView{v, later} {
					g, err := w.Engine.Grant(t.Context(), w.Who(Alice), v.Grants[0].ID)
					if err != nil {
						t.Fatal(err)
					}
					wantEnded(t, g, access.EndIneligible)
				}
				if n := len(w.Target.Accounts()); n != 1 {
					t.Errorf("%d accounts are left at the target", n)
				}
			})
		})
	}
}

// What is allowed as before stays as it is: automatic, reviewed, extended.
func TestEligibilityKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		read, write := ask(t, w, Alice, Read, time.Hour), ask(t, w, Alice, Write, time.Hour)
		if _, err := review(t, w, Bob, write.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if _, err := extend(t, w, read, time.Hour); err != nil {
			t.Fatal(err)
		}
		changed := Policies()
		changed[2].MaxDuration = time.Minute
		reload(t, w, func(r *engine.Rules) {
			r.Directory, r.Policies = people(t, without(Mallory)), w.Allow(changed...)
		})
		for _, v := range []engine.RequestView{read, write} {
			g, err := w.Engine.Grant(t.Context(), w.Who(Alice), see(t, w, Alice, v.Request.ID).Grants[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if g.State != access.GrantActive {
				t.Errorf("%s is %s (%s)", g.Entitlement, g.State, g.EndReason)
			}
		}
	})
}

// A reviewed grant rests on its reviews: without the reviewer, or under another policy, it does not stand.
func TestReviewedGrantLosesItsReview(t *testing.T) {
	changed := Policies()
	changed[1].Stages = []policy.Stage{{From: []string{"group:leads"}, Count: 2, Within: time.Hour}}
	for name, change := range map[string]func(*testing.T, *World, *engine.Rules){
		"the reviewer left":  func(t *testing.T, _ *World, r *engine.Rules) { r.Directory = people(t, without(Bob)) },
		"the policy changed": func(_ *testing.T, w *World, r *engine.Rules) { r.Policies = w.Allow(changed...) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				v := ask(t, w, Alice, Write, time.Hour)
				if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
					t.Fatal(err)
				}
				reload(t, w, func(r *engine.Rules) { change(t, w, r) })
				g, err := w.Engine.Grant(t.Context(), w.Who(Alice), see(t, w, Alice, v.Request.ID).Grants[0].ID)
				if err != nil {
					t.Fatal(err)
				}
				wantEnded(t, g, access.EndIneligible)
			})
		})
	}
}

// An extended grant is decided with its whole duration.
func TestExtensionLosesItsMaximum(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		if _, err := extend(t, w, v, time.Hour); err != nil {
			t.Fatal(err)
		}
		shorter := Policies()
		shorter[0].MaxDuration = 90 * time.Minute
		reload(t, w, func(r *engine.Rules) { r.Policies = w.Allow(shorter...) })
		wantEnded(t, grantOf(t, w, v), access.EndIneligible)
	})
}

// Without an answer nothing is taken back, and what could not be decided is decided later.
func TestEligibilityWithoutAnAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 24*time.Hour/6)
		time.Sleep(time.Hour) // until the catalogue is old
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallDiscover, Moment: memory.BeforeEffect})
		again := connector.New(w.Target.Driver(access.SystemClock{}), connector.Options{Name: "orders-db", Type: w.Connector.Type(), Clock: access.SystemClock{}})
		defer again.Close()
		reload(t, w, func(r *engine.Rules) {
			r.Connectors["orders-db"] = again
			r.Policies = w.Allow(Policies()[1:]...)
		})
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Fatalf("without an answer it is %s (%s)", g.State, g.EndReason)
		}
		clear()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndIneligible)
	})
}

// A connector with grants that have not ended cannot go; one without may go and come.
func TestReloadOfConnectors(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		gone := func(r *engine.Rules) { delete(r.Connectors, "orders-db"); r.Policies = w.Allow() }
		wantKind(t, w.Reload(gone), access.KindMisconfigured)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("after a reload that was refused it is %s", g.State)
		}
		ask(t, w, Alice, Read, time.Minute)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		before := runtime.NumGoroutine()
		reload(t, w, gone)
		if now := runtime.NumGoroutine(); now >= before {
			t.Errorf("%d goroutines work without the connector, and %d with it", now, before)
		}
		_, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
		wantKind(t, err, access.KindNotFound)
		reload(t, w, func(*engine.Rules) {})
		if g := grantOf(t, w, ask(t, w, Alice, Read, time.Hour)); g.State != access.GrantActive {
			t.Errorf("behind a connector that came back it is %s", g.State)
		}
	})
}

// A decision by rules that were replaced while it was on its way leads to nothing.
func TestDecisionByOldRulesIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		reached, clear := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect, Effect: memory.Hang})
		v := submitted(t, w)
		<-reached // it was decided, and is not yet committed
		if err := w.Reload(func(r *engine.Rules) { r.Policies = w.Allow(Policies()[1:]...) }); err != nil {
			t.Fatal(err)
		}
		clear()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		g := grantOf(t, w, v)
		wantEnded(t, g, access.EndIneligible)
		if !g.ActivatedAt.IsZero() {
			t.Error("it was activated by the old rules")
		}
	})
}

// A review that was weighed by rules which have been replaced since does not count.
func TestReviewByOldRulesIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		w.BeforeTransaction("review", func() { reload(t, w, func(*engine.Rules) {}) })
		_, err := review(t, w, Bob, v.Request.ID, approve)
		wantKind(t, err, access.KindConflict)
		if v := see(t, w, Alice, v.Request.ID); len(v.Reviews) != 0 || v.Request.State != access.RequestPending {
			t.Errorf("the request is %s with %d reviews", v.Request.State, len(v.Reviews))
		}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Errorf("the same review by the rules in force: %v", err)
		}
	})
}

// Every page is looked at, those before which nothing is to be taken back too.
func TestTheLastPageIsReached(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		oldest := ask(t, w, AliceAgent, Read, time.Hour)
		for range 60 {
			submitted(t, w)
		}
		reload(t, w, func(r *engine.Rules) { r.Directory = people(t, without(AliceAgent)) })
		g, err := w.Engine.Grant(t.Context(), w.Who(Alice), oldest.Grants[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, g, access.EndIneligible)
	})
}

// Each call looks at a page, and all calls together at every grant.
func TestEveryGrantIsDecidedAgain(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		const live = 120
		for range live {
			submitted(t, w)
		}
		if err := w.Reload(func(r *engine.Rules) { r.Policies = w.Allow(Policies()[1:]...) }); err != nil {
			t.Fatal(err)
		}
		calls := 0
		for more := true; more; calls++ {
			var err error
			if more, err = w.Engine.Reconsider(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		left, _, err := w.Engine.Grants(t.Context(), w.Who(Alice), engine.Mine, false, store.Page{Limit: 1000})
		if err != nil || len(left) != 0 || calls != 3 {
			t.Errorf("%d of %d grants are left after %d calls: %v", len(left), live, calls, err)
		}
	})
}
