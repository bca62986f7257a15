package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// tally counts transactions by name.
type tally struct {
	store.Store
	mu sync.Mutex
	n  map[store.TxName]int
}

func (c *tally) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	c.mu.Lock()
	c.n[name]++
	c.mu.Unlock()
	return c.Store.Update(ctx, name, fn)
}

// many asks for n grants that end at one instant, and has them made.
func many(t *testing.T, w *World, n int) (grants []access.GrantID, end time.Time) {
	t.Helper()
	for range n {
		v := ask(t, w, Alice, Read, time.Hour)
		grants = append(grants, v.Grants[0].ID)
		end = grantOf(t, w, v).Deadline
	}
	return grants, end
}

func grantByID(t *testing.T, w *World, id access.GrantID) access.Grant {
	t.Helper()
	g, err := w.Engine.Grant(t.Context(), w.Who(Carol), id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type nobody struct{ engine.Observer }

func (nobody) Act(ctx context.Context, _ access.Grant) (context.Context, func()) {
	return ctx, func() {}
}
func (nobody) AttemptFailed(access.Grant, error) {}
func (nobody) RemovedOffline(access.Grant)       {}
func (nobody) Call(ctx context.Context, _ access.ConnectorName, _ connector.Call) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// Many grants end at one instant: they share the commits of their ends.
func TestEndsShareCommits(t *testing.T) {
	t.Parallel()
	counted := &tally{n: map[store.TxName]int{}}
	bubble(t, func(t *testing.T, w *World) {
		const n = 100
		grants, end := many(t, w, n)
		sleepUntil(end)
		for _, id := range grants {
			wantEnded(t, grantByID(t, w, id), access.EndExpired)
		}
		if got := counted.n["removed"]; got > n/4 {
			t.Errorf("the ends of %d grants are %d commits", n, got)
		}
		if got := accounts(w); got != 0 {
			t.Errorf("%d accounts are left at the target", got)
		}
	}, WithObserver(nobody{}, func(s store.Store) store.Store { counted.Store = s; return counted }))
}

// One of those that end together cannot be read back, and another is taken further by somebody else meanwhile: neither
// keeps the others from ending.
func TestEachEndsAsItWouldAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		r := engine.NewRunner(w.Engine)
		r.Start()
		grants, end := many(t, w, 10)
		r.Stop()
		sleepUntil(end)
		w.Target.Inject(memory.Fault{Call: connector.CallObserve, Moment: memory.BeforeEffect, Times: 1})
		var overtaken access.GrantID
		w.BeforeTransaction("removed", func() { overtaken = overtake(t, w) })
		lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db", Queue: store.QueueLive}
		now, err := w.Store.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p, err := w.Engine.Step(t.Context(), now, lane, 100); err != nil || p.Claimed != 10 {
			t.Fatalf("claimed %d: %v", p.Claimed, err)
		}
		failed := 0
		for _, id := range grants {
			switch g := grantByID(t, w, id); {
			case g.State == access.GrantEnded:
				wantEnded(t, g, access.EndExpired)
			case id == overtaken:
				if g.Lease != "lease_other" || g.Failures > 0 {
					t.Errorf("what another has taken further was written over: %+v", g)
				}
			case g.Failures == 1 && g.LastError != "" && g.Lease == "":
				failed++
			default:
				t.Errorf("%s is %s after %d failures", id, g.State, g.Failures)
			}
		}
		if overtaken == "" || failed != 1 {
			t.Errorf("%q was overtaken and %d failed, want one of each", overtaken, failed)
		}
		w.Run()
		sleepUntil(time.Now().Add(time.Minute))
		for _, id := range grants {
			wantEnded(t, grantByID(t, w, id), access.EndExpired)
		}
	})
}

// Two that were announced at different times have leases of different ends. That of the first is over when a worker comes to
// them: the second ends all the same, and the first by the next claim.
func TestALeaseThatIsOverHoldsUpNoOther(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		first := w.Obtain(t, w.Engine, Alice, Read)
		time.Sleep(1900 * time.Millisecond)
		second := w.Obtain(t, w.Engine, Alice, Read)
		time.Sleep(time.Until(first.Deadline.Add(-50 * time.Millisecond)))
		step(t, w)
		if g := w.Grant(t, second.ID); g.State != access.GrantRevoking {
			t.Fatalf("the second is %s, and was to be announced", g.State)
		}
		time.Sleep(time.Until(first.Deadline.Add(6 * time.Second))) // of a lease of ten, with calls of five
		step(t, w)
		if g := w.Grant(t, first.ID); g.State != access.GrantRevoking || accounts(w) != 1 {
			t.Errorf("the first is %s, with %d accounts: its lease left no time", g.State, accounts(w))
		}
		wantEnded(t, w.Grant(t, second.ID), access.EndExpired)
		time.Sleep(5 * time.Second)
		step(t, w)
		wantEnded(t, w.Grant(t, first.ID), access.EndExpired)
	})
}

// overtake claims one of the grants that are being taken back, as another node does when a lease has passed.
func overtake(t *testing.T, w *World) (id access.GrantID) {
	t.Helper()
	err := w.Store.Update(t.Context(), "another node", func(tx store.Tx) error {
		list, _, err := tx.Grants().List(access.DefaultTenant, store.GrantFilter{Unended: true}, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		g := list[0]
		id = g.ID
		g.Lease, g.DueAt = "lease_other", tx.Now().Add(10*time.Second)
		return tx.Grants().Update(g)
	})
	if err != nil {
		t.Error(err)
	}
	return id
}
