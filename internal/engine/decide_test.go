package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// When what a decision needs cannot be looked up there is no decision, and so no access: at the request, at a review,
// and at the activation.
func TestFailedLookupGivesNoAccess(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		w.LoseDirectory(true)
		_, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
			Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "x",
		})
		wantKind(t, err, access.KindUnavailable)
		_, err = review(t, w, Bob, v.Request.ID, approve)
		wantKind(t, err, access.KindUnavailable)
		w.LoseDirectory(false)
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestPending || len(v.Reviews) != 0 {
			t.Errorf("a review that could not be checked made the request %s with %d reviews", v.Request.State, len(v.Reviews))
		}

		// Read is automatic, and only its activation asks the directory.
		w.LoseDirectory(true)
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
		if err != nil {
			t.Fatal(err)
		}
		sleepUntil(time.Now().Add(time.Minute))
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts at the target", n)
		}
		w.LoseDirectory(false)
		if g := grantOf(t, w, see(t, w, Alice, r.ID)); g.State != access.GrantScheduled || g.LastError == "" {
			t.Errorf("while nothing can be looked up the grant is %s, with the error %q", g.State, g.LastError)
		}
	})
}

// A review binds what it was given for. One for another request, or for other policies, does not count.
func TestReviewOfSomethingElseDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Drop, time.Hour)
		dave := w.Who(Dave)
		err := w.Store.Update(t.Context(), "test", func(tx store.Tx) error {
			return tx.Reviews().Insert(access.Review{
				ID: "rev_stale", Tenant: access.DefaultTenant, Request: v.Request.ID, Reviewer: dave.ID, Person: dave.Person,
				Verdict: access.Approve, Hash: access.HashReview(v.Request.Hash, []string{"the policies of yesterday"}), At: tx.Now(),
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestPending || len(v.Reviews) != 2 {
			t.Errorf("with a review that counts and one of other policies the request is %s (%d reviews)", v.Request.State, len(v.Reviews))
		}
	})
}

// The asked time begins when access begins, not while the request waits.
func TestClockStartsWithTheActivation(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Write, time.Hour)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		g := grantOf(t, w, see(t, w, Alice, v.Request.ID))
		if g.State != access.GrantActive || !g.Deadline.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("asked an hour and a half ago for an hour, the grant is %s until %s; it is %s now", g.State, g.Deadline, time.Now())
		}
	})
}

// A connector cannot leave the configuration while something is to be taken back through it.
func TestNoConnectorLeavesWithGrantsToTakeBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		without := engine.New(engine.Config{Tenant: access.DefaultTenant, Store: w.Store})
		if err := without.CheckConnectors(t.Context()); err != nil {
			t.Errorf("without grants: %v", err)
		}
		v := ask(t, w, Alice, Read, time.Hour)
		wantKind(t, without.CheckConnectors(t.Context()), access.KindMisconfigured)
		sleepUntil(grantOf(t, w, v).Deadline)
		if err := without.CheckConnectors(t.Context()); err != nil {
			t.Errorf("after the end: %v", err)
		}
	})
}
