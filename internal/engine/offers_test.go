package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// What the list says of an entitlement is what comes of asking for it, for an agent as for humans.
func TestOffersAreWhatComesOfAsking(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		become := map[policy.Verdict]access.RequestState{
			policy.VerdictAuto: access.RequestApproved, policy.VerdictReview: access.RequestPending, policy.VerdictDenied: access.RequestDenied,
		}
		for _, who := range []string{Alice, AliceAgent, Bob, Mallory} {
			offers, err := w.Engine.Entitlements(t.Context(), w.Who(who), nil, true)
			if err != nil || len(offers) != 4 {
				t.Fatalf("%s has %d offers, %v", who, len(offers), err)
			}
			for _, o := range offers {
				r, err := w.Engine.Submit(t.Context(), w.Who(who), engine.Submission{
					Entitlements: []access.Entitlement{o.Entitlement}, Reason: "x", Duration: o.MaxDuration,
				})
				if err != nil || r.State != become[o.Verdict] {
					t.Errorf("%s: %s is offered as %s, and asking makes it %s, %v", who, o.Entitlement, o.Verdict, r.State, err)
				}
			}
		}
	})
}

// An agent whose human is gone is offered nothing, with the reason.
func TestOffersOfAnAgentWithoutItsHuman(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		agent := w.Who(AliceAgent)
		w.Leaves(Alice)
		offers, err := w.Engine.Entitlements(t.Context(), agent, nil, true)
		if err != nil || len(offers) == 0 {
			t.Fatalf("%d offers, %v", len(offers), err)
		}
		for _, o := range offers {
			if o.Verdict != policy.VerdictDenied || o.Why == "" {
				t.Errorf("%s is %s: %q", o.Entitlement, o.Verdict, o.Why)
			}
		}
	})
}

// A page shows of each request what one sees who looks at it alone: several grants of one, some reviews, and nothing.
func TestPageShowsWhatEachRequestShows(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		bundle, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{Bundle: "incident", Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, w, Alice, Read, time.Hour)
		drop := ask(t, w, Alice, Drop, time.Hour).Request.ID
		ask(t, w, Alice, Archive, time.Hour)
		for id, who := range map[access.RequestID]string{bundle.ID: Bob, drop: Dave} {
			if _, err := w.Engine.Review(t.Context(), w.Who(who), id, engine.Opinion{Verdict: access.Approve, Comment: "fine"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // until nothing changes any more
		items, _, err := w.Engine.Requests(t.Context(), w.Who(Alice), engine.Mine, store.Page{Limit: 100})
		if err != nil || len(items) != 4 {
			t.Fatalf("the page has %d requests, %v", len(items), err)
		}
		grants, reviews, open := 0, 0, 0
		for _, got := range items {
			if diff := cmp.Diff(see(t, w, Alice, got.Request.ID), got); diff != "" {
				t.Errorf("request %s (-alone +in the page):\n%s", got.Request.ID, diff)
			}
			grants, reviews, open = grants+len(got.Grants), reviews+len(got.Reviews), open+len(got.Open)
		}
		if grants != 3 || reviews != 2 || open != 1 {
			t.Errorf("the page has %d grants, %d reviews and %d open stages", grants, reviews, open)
		}
	})
}
