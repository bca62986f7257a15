package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// lateRemovals is a driver whose first removal gets lost on the way and arrives when the test says so.
type lateRemovals struct {
	connector.Driver
	mu      sync.Mutex
	lost    bool
	arrives func() error
}

func (d *lateRemovals) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost {
		return d.Driver.Revoke(ctx, o, p)
	}
	d.lost = true
	d.arrives = func() error {
		_, err := d.Driver.Revoke(context.WithoutCancel(ctx), o, p)
		return err
	}
	return connector.Removal{}, access.Errorf(access.KindUnavailable, "The answer was lost.")
}

func (d *lateRemovals) arrive() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.arrives()
}

// A removal that arrives after its grant has ended does not take the access of the next one: nobody is given the right
// while the removal can still take effect, and after that the target refuses it.
func TestLateRemovalTakesNothingFromTheNext(t *testing.T) {
	late := &lateRemovals{}
	option := WithDriver(func(d connector.Driver) connector.Driver {
		late.Driver, late.lost = d, false
		return late
	})
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		begin := time.Now()
		returnGrant(t, w, grantOf(t, w, v).ID)
		next := ask(t, w, Alice, Read, time.Hour)
		pass(2 * time.Second)
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		if g := grantOf(t, w, next); g.State != access.GrantScheduled {
			t.Errorf("while a removal may still arrive the next grant is %s", g.State)
		}
		pass(time.Until(begin.Add(2*w.Connector.Timeout() - time.Millisecond)))
		if err := late.arrive(); err != nil {
			t.Errorf("just in time: %v", err)
		}
		pass(time.Minute)
		if g := grantOf(t, w, next); g.State != access.GrantActive {
			t.Fatalf("the next grant is %s: %s", g.State, g.LastError)
		}
		wantKind(t, late.arrive(), access.KindTimeout)
		wantMember(t, w, Alice, readers, true, "after a removal that came too late")
	}, option)
}

// A comparison looks at a right in a turn of its own: it does not prolong what a grant that has ended has left behind.
func TestComparisonsDoNotHoldUpTheNextGrant(t *testing.T) {
	late := &lateRemovals{}
	option := WithDriver(func(d connector.Driver) connector.Driver {
		late.Driver, late.lost = d, false
		return late
	})
	shared(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		returnGrant(t, w, grantOf(t, w, v).ID)
		pass(2 * time.Second)
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		next := ask(t, w, Alice, Read, time.Hour)
		for range 60 {
			reconcile(t, w)
			pass(time.Second)
		}
		if g := grantOf(t, w, next); g.State != access.GrantActive {
			t.Errorf("after a minute of comparisons the next grant is %s: %s", g.State, g.LastError)
		}
	}, option)
}

// While one grant is being given the right, another cannot decide that nobody holds it.
func TestRemovalWaitsForTheTurnOfAnActivation(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		first := ask(t, w, Alice, Read, time.Hour)
		reached, disarm := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Effect: memory.Hang})
		r, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour())
		if err != nil {
			t.Fatal(err)
		}
		<-reached
		returnGrant(t, w, grantOf(t, w, first).ID)
		if g := grantOf(t, w, first); g.State != access.GrantRevoking {
			t.Errorf("in the turn of another the grant is %s, want revoking", g.State)
		}
		disarm()
		pass(time.Second)
		wantEnded(t, grantOf(t, w, first), access.EndReturned)
		wantMember(t, w, Alice, readers, true, "after the first has ended")
		if g := grantOf(t, w, see(t, w, Alice, r.ID)); g.State != access.GrantActive {
			t.Errorf("the second is %s", g.State)
		}
	})
}

// An activation that never answers is taken back without the access of a neighbour.
func TestFailedActivationLeavesTheNeighbour(t *testing.T) {
	for _, moment := range []memory.Moment{memory.BeforeEffect, memory.Midway, memory.AfterEffect} {
		shared(t, func(t *testing.T, w *World) {
			first := ask(t, w, Alice, Read, time.Hour)
			_, disarm := w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: moment})
			second := ask(t, w, Alice, Read, time.Hour)
			pass(3 * time.Minute)
			g := grantOf(t, w, second)
			wantEnded(t, g, access.EndFailed)
			if g.KeptBy != string(grantOf(t, w, first).ID) {
				t.Errorf("kept by %q", g.KeptBy)
			}
			wantMember(t, w, Alice, readers, true, "after the second has failed")
			disarm()
			pass(time.Hour)
			wantMember(t, w, Alice, readers, false, "after the first has ended")
		})
	}
}

// Two nodes on one store give and take one right, many times over.
func TestTwoNodesShareOneRight(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		w.RunNode(w.Node())
		w.Target.AddMember(memory.Member{Account: Bob, Group: readers})
		var views []engine.RequestView
		for i := range 12 {
			views = append(views, ask(t, w, Alice, Read, time.Duration(1+i%4)*time.Minute))
			pass(7 * time.Second)
		}
		for range 40 {
			live := false
			for _, v := range views {
				live = live || grantOf(t, w, v).State == access.GrantActive
			}
			if there := w.Target.IsMember(Alice, readers); there != live {
				t.Fatalf("at %s: a grant is active: %t, Alice is a member: %t", time.Now(), live, there)
			}
			pass(10 * time.Second)
		}
		for _, v := range views {
			wantEnded(t, grantOf(t, w, v), access.EndExpired)
		}
		wantMember(t, w, Alice, readers, false, "at the end")
		wantMember(t, w, Bob, readers, true, "at the end")
	})
}

// A grant between two attempts to activate it holds the right: who ends meanwhile leaves it.
func TestActivatingGrantKeepsTheRight(t *testing.T) {
	shared(t, func(t *testing.T, w *World) {
		first := ask(t, w, Alice, Read, time.Hour)
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		second := ask(t, w, Alice, Read, time.Hour)
		returnGrant(t, w, grantOf(t, w, first).ID)
		if g := grantOf(t, w, first); g.State != access.GrantEnded || g.KeptBy != string(grantOf(t, w, second).ID) {
			t.Errorf("the first is %s, kept by %q", g.State, g.KeptBy)
		}
		wantMember(t, w, Alice, readers, true, "between two attempts")
	})
}
