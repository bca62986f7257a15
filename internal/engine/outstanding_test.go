package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// made is the account that the one grant has at the target, for a test to let it arrive again as a late order would.
func made(t *testing.T, w *World) memory.Account {
	t.Helper()
	for _, a := range w.Target.Accounts() {
		if a.Mark != "" {
			return a
		}
	}
	t.Fatal("nothing was made at the target")
	return memory.Account{}
}

func arrivesLate(t *testing.T, w *World, a memory.Account) {
	t.Helper()
	if err := w.Target.AddAccount(a, "late"); err != nil {
		t.Fatal(err)
	}
}

func sleepUntil(at time.Time) {
	time.Sleep(time.Until(at))
	synctest.Wait()
}

// The answer to the second order says nothing of the first, which was cut short and may still arrive.
func TestSuccessDoesNotForgetEarlierOrders(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		v := ask(t, w, Alice, Read, time.Hour)
		first := grantOf(t, w, v).ActBy
		account := made(t, w)
		sleepUntil(time.Now().Add(2 * time.Second))
		g := grantOf(t, w, v)
		if g.State != access.GrantActive || g.Attempt != 2 {
			t.Fatalf("after a second attempt the grant is %s with %d", g.State, g.Attempt)
		}
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), g.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sleepUntil(first.Add(-time.Second))
		arrivesLate(t, w, account)
		sleepUntil(first.Add(time.Minute))
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("the grant has ended, and %d accounts are at the target", n)
		}
	})
}

// A new credential was ordered and no answer came: the next order waits until the first can no longer arrive, since the
// grant remembers one moment only.
func TestReissueWaitsForTheOrderBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		g := grantOf(t, w, v)
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, newKey(t).Public())
		wantKind(t, err, access.KindUnavailable)
		over := grantOf(t, w, v).ActBy.Add(connector.DefaultSkewLimit)
		sleepUntil(over.Add(-time.Second))
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, newKey(t).Public())
		wantKind(t, err, access.KindConflict)
		sleepUntil(over)
		open(t, w, Alice, g.ID, newKey(t))
	})
}

// An extension is an order too, and the grant remembers one moment only.
func TestExtendWaitsForTheOrderBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect, Times: 1})
		_, err := w.Engine.Credential(t.Context(), w.Who(Alice), v.Grants[0].ID, newKey(t).Public())
		wantKind(t, err, access.KindUnavailable)
		over := grantOf(t, w, v).ActBy.Add(connector.DefaultSkewLimit)
		sleepUntil(over.Add(-time.Second))
		_, err = extend(t, w, v, time.Hour)
		wantKind(t, err, access.KindConflict)
		sleepUntil(over)
		g, err := extend(t, w, v, time.Hour)
		if err != nil || g.Duration != 2*time.Hour {
			t.Errorf("it lives %s (%v), want 2h", g.Duration, err)
		}
	})
}

// A read that began while an order could still arrive ends nothing, however long its answer took.
func TestTheReadThatEndsBeginsAfterTheLastOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Moment: memory.AfterEffect})
		_, letRevoke := w.Target.Inject(memory.Fault{Call: connector.CallRevoke})
		reached, answer := w.Target.Inject(memory.Fault{Call: connector.CallObserve, Moment: memory.AfterEffect, Effect: memory.Hang, Times: 1})
		v := ask(t, w, Alice, Read, time.Hour)
		g, account := grantOf(t, w, v), made(t, w)
		over := g.ActBy.Add(connector.DefaultSkewLimit)
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), g.ID); err != nil {
			t.Fatal(err)
		}
		// Tried at 0, 1, 3, 7 and 15 seconds; over is at 17, and a call may take six.
		sleepUntil(over.Add(-5 * time.Second))
		letRevoke()
		<-reached
		if !time.Now().Before(over) {
			t.Fatalf("the read began at %s, which is not before %s", time.Now(), over)
		}
		arrivesLate(t, w, account)
		sleepUntil(over.Add(time.Second))
		answer()
		synctest.Wait()
		sleepUntil(over.Add(time.Hour))
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndReturned)
		if n := len(w.Target.Accounts()); n != 1 || g.VerifiedAt.Before(over) {
			t.Errorf("%d accounts are left; read at %s, while an order could arrive until %s", n, g.VerifiedAt, over)
		}
	}, WithTimeout(6*time.Second))
}

// A node sleeps past its lease between the target's answer and its commit. Another has activated the grant meanwhile:
// what is live stays.
func TestLoserLeavesWhatIsLive(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		w.BeforeTransaction("activated", func() { time.Sleep(20 * time.Second) })
		v := ask(t, w, Alice, Read, time.Hour)
		other := grantOf(t, w, ask(t, w, Alice, Read, time.Second)) // for its sake the other workers look
		sleepUntil(time.Now().Add(30 * time.Second))
		wantEnded(t, grantOf(t, w, see(t, w, Alice, other.Request)), access.EndExpired)
		g := grantOf(t, w, v)
		if g.State != access.GrantActive || g.Attempt != 2 {
			t.Fatalf("the grant is %s after %d attempts, want active by the second", g.State, g.Attempt)
		}
		made(t, w)
		sleepUntil(g.Deadline)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("%d accounts are left", n)
		}
	})
}
