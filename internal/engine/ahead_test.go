package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// sluggish takes its time for each transaction of a name.
type sluggish struct {
	store.Store
	name  store.TxName
	takes time.Duration
}

func (s *sluggish) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	if name == s.name {
		time.Sleep(s.takes)
	}
	return s.Store.Update(ctx, name, fn)
}

// oneByOne is a driver without what it could do for many at once.
type oneByOne struct{ connector.Driver }

// However slowly the ends of many grants are written, each is taken back and read back at its deadline.
func TestLatenessIsNotThatOfTheBooks(t *testing.T) {
	t.Parallel()
	t.Run("together", func(t *testing.T) { testLateness(t) })
	t.Run("one by one", func(t *testing.T) {
		testLateness(t, WithDriver(func(d connector.Driver) connector.Driver { return oneByOne{d} }))
	})
}

func testLateness(t *testing.T, options ...Option) {
	t.Helper()
	slow := &sluggish{name: "removed", takes: 2 * time.Second}
	watch := WithObserver(nobody{}, func(s store.Store) store.Store { slow.Store = s; return slow })
	bubble(t, func(t *testing.T, w *World) {
		grants, end := many(t, w, 100)
		sleepUntil(end.Add(-time.Second))
		if got := accounts(w); got != 100 {
			t.Errorf("a second before their deadline %d of 100 have access", got)
		}
		sleepUntil(end)
		if got := accounts(w); got != 0 {
			t.Errorf("at their deadline %d of 100 have access", got)
		}
		ended := 0
		for _, id := range grants {
			if grantByID(t, w, id).State == access.GrantEnded {
				ended++
			}
		}
		if ended > 0 {
			t.Errorf("%d ends were written at once: the store is not slow, and this shows nothing", ended)
		}
		sleepUntil(end.Add(time.Minute))
		for _, id := range grants {
			g := grantByID(t, w, id)
			wantEnded(t, g, access.EndExpired)
			if late := g.VerifiedAt.Sub(end); late < 0 || late > time.Millisecond {
				t.Errorf("%s was read back %s after its deadline", id, late)
			}
		}
	}, append(options, watch)...)
}

// slow takes its time to take something back.
type slow struct {
	connector.Driver
	calls *atomic.Int64
}

func (s slow) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	s.calls.Add(1)
	time.Sleep(time.Second)
	return s.Driver.Revoke(ctx, o, p)
}

// A target that takes longer for what ends together than leases last is asked for little twice, and every end is written.
func TestEndsAtASlowTargetAreWritten(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	bubble(t, func(t *testing.T, w *World) {
		grants, end := many(t, w, 150)
		sleepUntil(end.Add(2 * time.Minute))
		for _, id := range grants {
			wantEnded(t, grantByID(t, w, id), access.EndExpired)
		}
		if n := calls.Load(); n > 300 {
			t.Errorf("150 were taken back with %d calls", n)
		}
	}, WithDriver(func(d connector.Driver) connector.Driver { return slow{d, &calls} }))
}

// Once it is announced a grant is on its way out, though its access lasts until the deadline.
func TestAnnounced(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		g := grantOf(t, w, v)
		sleepUntil(g.Deadline.Add(-time.Second))
		if g := grantOf(t, w, v); g.State != access.GrantRevoking || g.EndReason != access.EndExpired || g.Overdue(time.Now()) || accounts(w) != 1 {
			t.Errorf("a second before its deadline it is %s (%s), overdue: %t, with %d accounts", g.State, g.EndReason, g.Overdue(time.Now()), accounts(w))
		}
		_, err := extend(t, w, v, time.Hour)
		wantKind(t, err, access.KindConflict)
		_, err = w.Engine.Credential(t.Context(), w.Who(Alice), g.ID, newKey(t).Public())
		wantKind(t, err, access.KindConflict)
		sleepUntil(g.Deadline)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

// A grant that lasts for seconds has them: its end is written when it has come.
func TestAShortGrantIsNotAnnounced(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 10*time.Second)
		g := grantOf(t, w, v)
		sleepUntil(g.Deadline.Add(-time.Millisecond))
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("a moment before its deadline it is %s", g.State)
		}
		sleepUntil(g.Deadline)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}

// Who takes announced access back does not wait for the deadline.
func TestAnnouncedIsTakenBackAtOnce(t *testing.T) {
	for name, take := range map[string]func(t *testing.T, w *World, id access.GrantID) error{
		"its principal": func(t *testing.T, w *World, id access.GrantID) error {
			_, err := w.Engine.Return(t.Context(), w.Who(Alice), id)
			return err
		},
		"an administrator": func(t *testing.T, w *World, id access.GrantID) error {
			_, err := w.Engine.Revoke(t.Context(), w.Who(Carol), id, "laptop stolen")
			return err
		},
		"a freeze": func(t *testing.T, w *World, _ access.GrantID) error {
			_, err := w.Engine.Freeze(t.Context(), w.Who(Carol), engine.FreezeOrder{Everything: true}, "laptop stolen")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *World) {
				v := ask(t, w, Alice, Read, time.Hour)
				g := grantOf(t, w, v)
				sleepUntil(g.Deadline.Add(-time.Second))
				if err := take(t, w, g.ID); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if g := grantOf(t, w, v); g.State != access.GrantEnded || !g.VerifiedAt.Before(g.Deadline) || accounts(w) != 0 {
					t.Errorf("it is %s, read back at %s, with %d accounts", g.State, g.VerifiedAt, accounts(w))
				}
			})
		})
	}
}

// A node that stops, or dies, with announced grants in hand leaves nobody waiting for its lease, and no access ends early.
func TestAnnouncedByANodeThatIsGone(t *testing.T) {
	for _, dies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := New(t)
			first := engine.NewRunner(w.Engine)
			first.Start()
			v := ask(t, w, Alice, Read, time.Hour)
			g := grantOf(t, w, v)
			sleepUntil(g.Deadline.Add(-1500 * time.Millisecond))
			if dies {
				w.LoseStore(true)
			}
			first.Stop()
			w.LoseStore(false)
			next := w.Node()
			if g := grantOf(t, w, v); g.State != access.GrantRevoking || (g.Lease == "") == dies {
				t.Errorf("a node has left it %s, under the lease %q", g.State, g.Lease)
			}
			if dies {
				if err := next.VoidLeases(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.RunNode(next)
			sleepUntil(g.Deadline.Add(-time.Millisecond))
			if got := accounts(w); got != 1 {
				t.Errorf("before the deadline there are %d accounts", got)
			}
			sleepUntil(g.Deadline)
			wantEnded(t, grantOf(t, w, v), access.EndExpired)
		})
	}
}

// The store goes away when a grant is announced: it is taken back from what is at hand, at its deadline and not before.
func TestAnnouncedWhileTheStoreIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, time.Hour)
		g := grantOf(t, w, v)
		sleepUntil(g.Deadline.Add(-time.Second))
		w.LoseStore(true)
		sleepUntil(g.Deadline.Add(-time.Millisecond))
		if got := accounts(w); got != 1 {
			t.Errorf("before the deadline there are %d accounts", got)
		}
		sleepUntil(g.Deadline.Add(5 * time.Second))
		if got := accounts(w); got != 0 {
			t.Errorf("after the deadline there are %d accounts", got)
		}
		w.LoseStore(false)
		sleepUntil(g.Deadline.Add(2 * time.Minute))
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	})
}
