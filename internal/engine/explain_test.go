package engine_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// manyPolicies have something for every result that an explanation can show.
func manyPolicies() []policy.Policy {
	leads := []policy.Stage{{From: []string{"group:leads"}, Count: 1}, {From: []string{"group:platform"}, Count: 1}}
	return append(Policies(),
		policy.Policy{Name: "long", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{"orders-db/**:*"}, MaxDuration: 8 * time.Hour, Stages: leads, When: `request.duration > duration("1h")`},
		policy.Policy{Name: "agents", Effect: policy.EffectAllow, Who: []string{"kind:agent"}, What: []string{"**"}, MaxDuration: 30 * time.Minute, Auto: true, Until: `now + duration("1h")`},
		policy.Policy{Name: "no-flood", Effect: policy.EffectDeny, Who: []string{"anyone"}, What: []string{"**"}, When: `request.reason == "flood"`},
		policy.Policy{Name: "ticket-for-long", Effect: policy.EffectGuard, Who: []string{"anyone"}, What: []string{"**"}, When: `request.duration >= duration("2h")`, Require: policy.Requirements{Ticket: true}},
		policy.Policy{Name: "broken", Effect: policy.EffectAllow, Who: []string{"group:leads"}, What: []string{"**"}, When: `resource.labels.nothing == ""`, MaxDuration: time.Hour, Auto: true},
	)
}

func drawSubmission(t *rapid.T) engine.Submission {
	s := engine.Submission{
		Duration: rapid.SampledFrom([]time.Duration{0, 0, time.Minute, time.Minute, time.Hour, 3 * time.Hour, 100 * time.Hour, -1}).Draw(t, "duration"),
		Reason:   rapid.SampledFrom([]string{"order 17", "order 17", "order 17", "", "flood"}).Draw(t, "reason"),
		Start:    rapid.SampledFrom([]time.Time{{}, {}, {}, {}, noon.Add(time.Hour), noon.Add(-time.Hour), noon.Add(100 * 24 * time.Hour)}).Draw(t, "start"),
		Ticket:   rapid.SampledFrom([]string{"OPS-1", "OPS-1", ""}).Draw(t, "ticket"),
	}
	if rapid.IntRange(0, 3).Draw(t, "bundle") == 3 {
		s.Bundle = rapid.SampledFrom([]string{"incident", "incident", "incidents"}).Draw(t, "name")
		return s
	}
	for range rapid.IntRange(1, 2).Draw(t, "entitlements") {
		s.Entitlements = append(s.Entitlements, Entitlement(rapid.SampledFrom([]string{Read, Read, Write, Drop, Archive, "orders-db/order:read"}).Draw(t, "entitlement")))
	}
	return s
}

// What is explained is what comes of asking: the same error, or the decision that is then kept.
func TestExplainedIsWhatComesOfAsking(t *testing.T) {
	w := New(t, WithClock(stopped(noon)), WithPolicies(manyPolicies()...))
	if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Principal: w.Who(Bob).ID}, "lost laptop"); err != nil {
		t.Fatal(err)
	}
	verdicts := map[policy.Verdict]int{}
	rapid.Check(t, func(rt *rapid.T) {
		who := w.Who(rapid.SampledFrom([]string{Alice, AliceAgent, Alice, AliceAgent, AliceAdmin, Bob, Mallory}).Draw(rt, "who"))
		s := drawSubmission(rt)
		numbered, waiting := logged(t, w)
		x, explained := w.Engine.Explain(t.Context(), who, s)
		if n, m := logged(t, w); n+m != numbered+waiting {
			rt.Fatalf("explaining entered %d entries", n+m-numbered-waiting)
		}
		r, err := w.Engine.Submit(t.Context(), who, s)
		if diff := cmp.Diff(errorText(err), errorText(explained)); diff != "" {
			rt.Fatalf("explaining and asking fail otherwise (-asking +explaining):\n%s", diff)
		}
		if err != nil {
			return
		}
		kept := keptDecision(t, w, r.ID)
		verdicts[kept.Verdict]++
		for i := range kept.Targets {
			kept.Targets[i].Trace, kept.Targets[i].HumanTrace = nil, nil
			x.Decision.Targets[i].Trace, x.Decision.Targets[i].HumanTrace = nil, nil
		}
		if diff := cmp.Diff(kept, x.Decision); diff != "" {
			rt.Fatalf("decided otherwise (-kept +explained):\n%s", diff)
		}
		if len(x.Approvers) != len(kept.Stages) {
			rt.Fatalf("%d stages have approvers, of %d", len(x.Approvers), len(kept.Stages))
		}
	})
	if len(verdicts) != 3 {
		t.Errorf("of the verdicts only %v were met", verdicts)
	}
}

// noon is when it is for a stopped clock.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// stopped is a clock that does not go.
type stopped time.Time

func (c stopped) Now() time.Time { return time.Time(c) }

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return access.KindOf(err).String() + ": " + err.Error()
}

// keptDecision is the first that is in the books of a request.
func keptDecision(t *testing.T, w *World, id access.RequestID) (d policy.Decision) {
	t.Helper()
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		kept, err := tx.Decisions().List(access.DefaultTenant, id)
		if err != nil {
			return err
		}
		return json.Unmarshal(kept[0].Decision, &d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func explain(t *testing.T, w *World, who string, s engine.Submission) engine.Explanation {
	t.Helper()
	x, err := w.Engine.Explain(t.Context(), w.Who(who), s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func approverNames(a engine.Approvers) (names []string) {
	for _, p := range a.People {
		names = append(names, p.ID.Subject)
	}
	return names
}

// Those who may not review are not named as who could: the asker under any account, agents, and who is frozen.
func TestExplainedApproversAreThoseWhoMay(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		write := engine.Submission{Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: "x"}
		for _, who := range []string{Alice, AliceAgent} {
			x := explain(t, w, who, write)
			if got := approverNames(x.Approvers[0]); !slices.Equal(got, []string{Bob, Dave, Erin}) || !slices.Equal(x.Requires, []string{"reason"}) {
				t.Errorf("for %s could approve: %v; required: %v", who, got, x.Requires)
			}
		}
		if _, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Principal: w.Who(Dave).ID}, "lost laptop"); err != nil {
			t.Fatal(err)
		}
		if got := approverNames(explain(t, w, Alice, write).Approvers[0]); !slices.Equal(got, []string{Bob, Erin}) {
			t.Errorf("with one frozen, could approve: %v", got)
		}
	})
}

// Very many are counted and not named.
func TestExplainedApproversAreBounded(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		write := Policies()[1]
		write.Stages[0].From = []string{"anyone"}
		if err := w.Reload(func(r *engine.Rules) { r.Policies = w.Allow(write) }); err != nil {
			t.Fatal(err)
		}
		x := explain(t, w, Alice, engine.Submission{Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: "x"})
		if a := x.Approvers[0]; len(a.People) != 20 || a.More < 30 {
			t.Errorf("%d are named and %d more counted", len(a.People), a.More)
		}
	}, WithCrowd(60))
}

// Whoever no policy allows anything sees of conditions nothing: neither whether a guard's holds, nor why a policy fails.
func TestExplainTellsNoConditionsToWhomNothingIsFor(t *testing.T) {
	policies := append(manyPolicies(), policy.Policy{
		Name: "secret-guard", Effect: policy.EffectGuard, Who: []string{"anyone"}, What: []string{"**"}, When: `"static/leads" in principal.groups`, Require: policy.Requirements{Ticket: true},
	})
	alone(t, func(t *testing.T, w *World) {
		for reason, forbids := range map[string]string{"x": "", "flood": "no-flood"} {
			x := explain(t, w, Mallory, engine.Submission{Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: reason, Duration: 3 * time.Hour})
			target := x.Decision.Targets[0]
			for _, c := range target.Trace {
				if c.Result != policy.ResultNotForYou && c.Result != policy.ResultNotForThis && c.Policy != forbids {
					t.Errorf("%q: %s is told to be %q (%s)", reason, c.Policy, c.Result, c.Detail)
				}
			}
			if len(target.Trace) == 0 || target.Policy != forbids || len(x.Approvers) != 0 || len(x.Requires) != 0 {
				t.Errorf("%q: told are %+v", reason, x)
			}
		}
		if x := explain(t, w, Alice, engine.Submission{Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: "x"}); len(x.Decision.Targets[0].Trace) != len(policies) {
			t.Errorf("who may ask is told of %d policies", len(x.Decision.Targets[0].Trace))
		}
	}, WithPolicies(policies...))
}

// Policies for others are left out where they are very many; those that concern the request are all there.
func TestExplanationsAreBounded(t *testing.T) {
	policies := Policies()
	for _, c := range []byte("abcdefghij") {
		for _, d := range []byte("0123456789") {
			p := Policies()[0]
			p.Name, p.Who = string([]byte{'p', c, d}), []string{"group:nobody"}
			policies = append([]policy.Policy{p}, policies...)
		}
	}
	alone(t, func(t *testing.T, w *World) {
		x := explain(t, w, Alice, engine.Submission{Entitlements: []access.Entitlement{Entitlement(Read)}, Reason: "x"})
		trace := x.Decision.Targets[0].Trace
		told := slices.ContainsFunc(trace, func(c policy.Considered) bool { return c.Policy == "read-orders" && c.Result == policy.ResultDecided })
		if len(trace) != 51 || x.LeftOut != 52 || !told {
			t.Errorf("%d policies are told of, %d left out; the one that decides: %t", len(trace), x.LeftOut, told)
		}
	}, WithPolicies(policies...))
}
