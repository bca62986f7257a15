package engine_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// What only people do no agent does, although it is in a group that leads, and whatever its human may.
func TestAgentsDoNotWhatOnlyPeopleDo(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		// The agent's groups would have every role, and stand in every stage.
		err := w.Reload(func(r *engine.Rules) {
			leads := []policy.Selector{"group:static/platform", "group:static/leads"}
			d, err := directory.New(directory.Config{Entries: People(), Roles: map[access.Role][]policy.Selector{access.RoleAdmin: leads, access.RoleAuditor: leads}})
			if err != nil {
				t.Fatal(err)
			}
			r.Directory = d
		})
		if err != nil {
			t.Fatal(err)
		}
		agent := w.Who(AliceAgent)
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Entitlements: []access.Entitlement{Entitlement(Write)}, Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		g := submitted(t, w).Grants[0].ID
		f, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Principal: w.Who(Mallory).ID}, "lost laptop")
		if err != nil {
			t.Fatal(err)
		}
		page := store.Page{Limit: 10}
		for what, act := range map[string]func() error{
			"review": func() error { _, err := w.Engine.Review(t.Context(), agent, r.ID, approve); return err },
			"attest": func() error { _, _, err := w.Engine.Attest(t.Context(), agent, g, "x"); return err },
			"revoke": func() error { _, err := w.Engine.Revoke(t.Context(), agent, g, "x"); return err },
			"freeze": func() error {
				_, err := w.Engine.Freeze(t.Context(), agent, engine.FreezeOrder{Everything: true}, "x")
				return err
			},
			"lift a freeze":   func() error { return w.Engine.Unfreeze(t.Context(), agent, f.ID, "x") },
			"see freezes":     func() error { _, _, err := w.Engine.Freezes(t.Context(), agent, page); return err },
			"see findings":    func() error { _, _, err := w.Engine.Findings(t.Context(), agent, true, page); return err },
			"accept findings": func() error { _, err := w.Engine.AcceptFinding(t.Context(), agent, "fd_1", "x"); return err },
			"forget": func() error {
				_, err := w.Engine.Forget(t.Context(), agent, engine.ForgetOrder{Person: Mallory}, "x")
				return err
			},
			"see all requests": func() error { _, _, err := w.Engine.Requests(t.Context(), agent, engine.All, page); return err },
			"see all grants":   func() error { _, _, err := w.Engine.Grants(t.Context(), agent, engine.All, true, page); return err },
			"read metrics":     func() error { return w.Engine.MayReadMetrics(agent) },
			"export the log":   func() error { _, err := w.Engine.Export(t.Context(), agent, engine.ExportQuery{}); return err },
		} {
			if kind := access.KindOf(act()); kind != access.KindDenied && kind != access.KindNotFound {
				t.Errorf("an agent may %s: %s", what, kind)
			}
		}
		for what, mine := range map[string]func() error{
			"withdraw its human's request":         func() error { _, err := w.Engine.Withdraw(t.Context(), agent, r.ID); return err },
			"give back its human's grant":          func() error { _, err := w.Engine.Return(t.Context(), agent, g); return err },
			"have its human's grant last longer":   func() error { _, err := w.Engine.Extend(t.Context(), agent, g, time.Minute); return err },
			"have the credential of its human":     func() error { _, err := w.Engine.Credential(t.Context(), agent, g, newKey(t).Public()); return err },
			"look at the request of its human":     func() error { _, err := w.Engine.Request(t.Context(), agent, r.ID); return err },
			"look at the grant of its human":       func() error { _, err := w.Engine.Grant(t.Context(), agent, g); return err },
			"see what its human does in the log":   func() error { return seesNothing(t, w, agent) },
			"review what waits for its human's ok": func() error { return reviewsNothing(t, w, agent) },
		} {
			if kind := access.KindOf(mine()); kind != access.KindNotFound {
				t.Errorf("an agent may %s: %s", what, kind)
			}
		}
	})
}

// nothingSeen is what is expected of who must see nothing.
var nothingSeen = access.Errorf(access.KindNotFound, "Nothing is there.")

func seesNothing(t *testing.T, w *World, actor access.Principal) error {
	t.Helper()
	if _, err := w.Engine.Sequence(t.Context(), "test"); err != nil {
		return err
	}
	page, err := w.Engine.Events(t.Context(), actor, engine.LogQuery{Limit: 100})
	if err == nil && len(page.Items) == 0 {
		return nothingSeen
	}
	return err
}

func reviewsNothing(t *testing.T, w *World, actor access.Principal) error {
	t.Helper()
	items, _, err := w.Engine.Requests(t.Context(), actor, engine.ToReview, store.Page{Limit: 100})
	if err == nil && len(items) == 0 {
		return nothingSeen
	}
	return err
}

// What was stored for an agent's decision is enough to make it again, its human's part included.
func TestAnAgentsStoredInputGivesItsDecision(t *testing.T) {
	people := policy.Policy{
		Name: "agents-write", Effect: policy.EffectAllow, Who: []string{"kind:agent"}, What: []string{Write, Archive}, MaxDuration: 2 * time.Hour, Auto: true,
	}
	bubble(t, func(t *testing.T, w *World) {
		for ent, want := range map[string]policy.Verdict{Read: policy.VerdictAuto, Write: policy.VerdictReview, Archive: policy.VerdictDenied} {
			r := ask(t, w, AliceAgent, ent, time.Hour)
			err := w.Store.View(t.Context(), func(tx store.Tx) error {
				kept, err := tx.Decisions().List(access.DefaultTenant, r.Request.ID)
				if err != nil || len(kept) == 0 {
					t.Fatalf("%d decisions, %v", len(kept), err)
				}
				for _, d := range kept {
					var in policy.Input
					var decided policy.Decision
					if err := json.Unmarshal(d.Input, &in); err != nil {
						return err
					}
					if err := json.Unmarshal(d.Decision, &decided); err != nil {
						return err
					}
					set := w.Allow(append(Policies(), people)...)
					if set.Digest() != d.PolicyDigest {
						t.Fatal("another set decided")
					}
					if diff := cmp.Diff(d.Decision, marshal(t, set.Decide(in))); diff != "" || decided.Verdict != want {
						t.Errorf("%s is %s, and replayed (-stored +replayed):\n%s", ent, decided.Verdict, diff)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}, WithPolicies(append(Policies(), people)...))
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Requests, grants and every entry on them say for whom an agent has access; those of people say nothing of the kind.
func TestAgentsAreMarked(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		agents, hers := ask(t, w, AliceAgent, Read, time.Hour), ask(t, w, Alice, Read, time.Hour)
		human := w.Who(Alice).ID
		if agents.Request.ActsFor != human || agents.Grants[0].ActsFor != human {
			t.Errorf("the agent's request and grant are for %q and %q", agents.Request.ActsFor, agents.Grants[0].ActsFor)
		}
		if !hers.Request.ActsFor.IsZero() || !hers.Grants[0].ActsFor.IsZero() {
			t.Errorf("the human's request and grant are for %q and %q", hers.Request.ActsFor, hers.Grants[0].ActsFor)
		}
		for id, want := range map[access.RequestID]access.PrincipalID{agents.Request.ID: human, hers.Request.ID: {}} {
			list := entries(t, w, store.EventFilter{Request: id})
			if len(list) < 4 {
				t.Errorf("only %d entries", len(list))
			}
			for _, ev := range list {
				if ev.ActsFor != want {
					t.Errorf("the entry %s of %s says that it acts for %q", ev.Kind, ev.Subject, ev.ActsFor)
				}
			}
		}
	})
}

// When the human leaves, what the agent has is taken back, although the agent is in the directory still.
func TestAnAgentsGrantsEndWithItsHuman(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		agents := ask(t, w, AliceAgent, Read, time.Hour)
		pending := ask(t, w, AliceAgent, Write, time.Hour)
		reload(t, w, func(r *engine.Rules) { r.Directory = people(t, without(Alice)) })
		g, err := w.Engine.Grant(t.Context(), w.Who(AliceAgent), agents.Grants[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, g, access.EndIneligible)
		if _, err := review(t, w, Bob, pending.Request.ID, approve); err == nil || !strings.Contains(err.Error(), "human") {
			t.Errorf("what the agent asked for can be approved still: %v", err)
		}
	})
}
