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
)

// askFor asks as Alice for access that begins later.
func askFor(t *testing.T, w *World, entitlement string, start time.Time) engine.RequestView {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: time.Hour, Start: start, Reason: "change window",
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return see(t, w, Alice, r.ID)
}

// Nothing exists at the target before the start, the clock runs from it, and waiting for it would be in vain.
func TestScheduledGrantBeginsAtItsStart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *World) {
		start := time.Now().Add(24 * time.Hour)
		v := askFor(t, w, Read, start)
		if !v.Outcome() {
			t.Error("whoever waits for the outcome waits for a day")
		}
		time.Sleep(time.Until(start) - time.Microsecond)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantScheduled || !g.StartAt.Equal(start) || len(w.Target.Accounts()) != 1 {
			t.Errorf("before its start it is %s, with %d accounts at the target", g.State, len(w.Target.Accounts()))
		}
		time.Sleep(time.Microsecond)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantActive || !g.ActivatedAt.Equal(start) || !g.Deadline.Equal(start.Add(time.Hour)) {
			t.Errorf("at its start it is %s from %s to %s", g.State, g.ActivatedAt, g.Deadline)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

// An approval holds until the start, and what has two minutes to begin has them from there.
func TestApprovalHoldsUntilTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		start := time.Now().Add(24 * time.Hour)
		v := askFor(t, w, Write, start)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect})
		time.Sleep(time.Until(start.Add(time.Minute)))
		synctest.Wait()
		v = see(t, w, Alice, v.Request.ID)
		if g := grantOf(t, w, v); g.State != access.GrantScheduled || g.Failures == 0 {
			t.Fatalf("a minute after its start it is %s after %d failures", g.State, g.Failures)
		}
		clear()
		time.Sleep(time.Minute)
		synctest.Wait()
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("within two minutes of its start it is %s: %s", g.State, g.LastError)
		}
	})
}

// What could not begin in its two minutes is over, approved or not.
func TestApprovalLapsesAfterTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		start := time.Now().Add(24 * time.Hour)
		v := askFor(t, w, Write, start)
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallPrepare, Moment: memory.BeforeEffect})
		time.Sleep(time.Until(start.Add(3 * time.Minute)))
		clear()
		time.Sleep(time.Hour)
		synctest.Wait()
		g := grantOf(t, w, see(t, w, Alice, v.Request.ID))
		wantEnded(t, g, access.EndFailed)
		if !g.ActivatedAt.IsZero() || g.EndedAt.After(start.Add(3*time.Minute)) {
			t.Errorf("it began at %s and ended at %s", g.ActivatedAt, g.EndedAt)
		}
	})
}

func TestScheduledGrantIsCalledOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := askFor(t, w, Read, time.Now().Add(time.Hour))
		if _, err := w.Engine.Return(t.Context(), w.Who(Alice), v.Grants[0].ID); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, grantOf(t, w, v), access.EndReturned)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(w.Target.Accounts()); n != 1 {
			t.Errorf("what was called off made %d accounts", n)
		}
	})
}

// A review that comes after the start begins the access at once.
func TestReviewAfterTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := askFor(t, w, Write, time.Now().Add(time.Minute))
		time.Sleep(time.Hour)
		approved := time.Now()
		if _, err := review(t, w, Bob, v.Request.ID, approve); err != nil {
			t.Fatal(err)
		}
		if g := grantOf(t, w, see(t, w, Alice, v.Request.ID)); g.State != access.GrantActive || !g.ActivatedAt.Equal(approved) {
			t.Errorf("it is %s from %s", g.State, g.ActivatedAt)
		}
	})
}

func TestStartsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for _, start := range []time.Time{time.Now().Add(-time.Second), time.Unix(1, 0), time.Now().Add(access.MaxAhead + time.Second)} {
			_, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
				Entitlements: []access.Entitlement{Entitlement(Read)}, Start: start, Reason: "x",
			})
			wantKind(t, err, access.KindInvalid)
		}
	})
}
