package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// An activation whose answer was lost may still arrive at the target: the grant does not end before it no longer can,
// however often it was read back as gone.
func TestNoEndBeforeTheLastOrderCanNoLongerArrive(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect})
		v := ask(t, w, Alice, Read, time.Hour)
		g := grantOf(t, w, v)
		if g.ActBy.IsZero() {
			t.Fatal("the order whose answer was lost is not remembered")
		}
		clear()
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), g.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := grantOf(t, w, v); got.State != access.GrantRevoking || len(w.Target.Accounts()) != 1 {
			t.Errorf("before %s the grant is %s with %d accounts at the target", g.ActBy, got.State, len(w.Target.Accounts()))
		}
		time.Sleep(time.Until(g.ActBy.Add(connector.DefaultSkewLimit)))
		synctest.Wait()
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndReturned)
		if g.LastError != "" || !g.ActBy.IsZero() {
			t.Errorf("ended with the error %q, and an order until %s", g.LastError, g.ActBy)
		}
	})
}

// Eligibility that is lost between the approval and the activation: nothing is made.
func TestDecidedAgainAtActivation(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect})
		v := ask(t, w, Alice, Read, time.Hour)
		if g := grantOf(t, w, v); g.State != access.GrantScheduled {
			t.Fatalf("with a target that cannot be read the grant is %s", g.State)
		}
		w.Leaves(Alice)
		clear()
		time.Sleep(time.Minute)
		synctest.Wait()
		g, err := w.Engine.Grant(t.Context(), w.Who(Carol), v.Grants[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		wantEnded(t, g, access.EndIneligible)
		if !g.ActivatedAt.IsZero() || len(w.Target.Accounts()) != 1 {
			t.Error("the target was touched")
		}
	})
}

// A review counts only while the one who gave it may review.
func TestReviewerWhoLeft(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Drop, time.Hour)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		w.Leaves(Bob)
		if _, err := review(t, w, Dave, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if v = see(t, w, Alice, v.Request.ID); v.Request.State != access.RequestPending || len(v.Open) != 1 {
			t.Errorf("with a review of somebody who is gone the request is %s", v.Request.State)
		}
		if _, err := review(t, w, Erin, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive {
			t.Errorf("with two reviews that count the grant is %s", g.State)
		}
	})
}

// Step alone, without a runner: nothing happens but in it.
func TestStepDoesOneThingAtATime(t *testing.T) {
	w := New(t)
	lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db", Queue: store.QueueNew}
	ctx := context.Background()
	step := func() int {
		now, err := w.Store.Now(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Engine.Step(ctx, now, lane, 16)
		if err != nil {
			t.Fatal(err)
		}
		return p.Claimed
	}
	if n := step(); n != 0 {
		t.Errorf("an empty lane has %d due", n)
	}
	for range 20 {
		if _, err := w.Engine.Submit(ctx, w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b, c := step(), step(), step(); a != 16 || b != 4 || c != 0 {
		t.Errorf("twenty grants are claimed as %d, %d, %d", a, b, c)
	}
	if n := len(w.Target.Accounts()); n != 21 {
		t.Errorf("%d accounts at the target", n)
	}
}
