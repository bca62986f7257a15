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

// A process dies with a claim in hand. The next one, which has the books to itself, does not wait for the lease.
func TestLeasesOfADeadProcessAreVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		first := engine.NewRunner(w.Engine)
		first.Start()
		v := ask(t, w, Alice, Read, time.Minute)
		g := grantOf(t, w, v)
		first.Stop()
		time.Sleep(time.Until(g.Deadline))
		claim(t, w, 2*connector.MaxTimeout) // it gave its calls more time than the next one does
		if err := w.Engine.VoidLeases(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Run()
		synctest.Wait()
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if late := g.EndedAt.Sub(g.Deadline); late > time.Second {
			t.Errorf("ended %s late: somebody waited for a lease of the dead", late)
		}
	})
}

// claim takes what is due, and dies with it.
func claim(t *testing.T, w *World, lease time.Duration) {
	t.Helper()
	lane := store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db", Queue: store.QueueLive}
	err := w.Store.Update(t.Context(), "claim", func(tx store.Tx) error {
		list, err := TakeDue(tx, lane, "lease_dead", tx.Now().Add(lease))
		if len(list) != 1 {
			t.Errorf("%d grants were due", len(list))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What the dead process ordered may still arrive: the grant remembers, and does not end before.
func TestVoidLeasesKeepOrdersInMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		v := ask(t, w, Alice, Read, time.Hour) // nobody works yet
		now, err := w.Store.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// A Step that dies before it hears of the order that it has given.
		w.DuringCommit("activate", func() { w.LoseStore(true) })
		_, _ = w.Engine.Step(t.Context(), now, store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db", Queue: store.QueueNew}, 1)
		w.LoseStore(false)
		before := grantOf(t, w, v)
		if err := w.Engine.VoidLeases(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := grantOf(t, w, v)
		if before.ActBy.IsZero() || after.ActBy != before.ActBy || after.Lease != "" || after.DueAt.After(now) {
			t.Errorf("void leases made of %+v %+v", before, after)
		}
	})
}

// deaf is a driver whose first Grant hangs until it is let go, and does not hear that its time is over.
type deaf struct {
	connector.Driver
	calls atomic.Int32
	letGo chan struct{}
}

func (d *deaf) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	if d.calls.Add(1) == 1 {
		<-d.letGo
		return connector.Outcome{}, ctx.Err()
	}
	return d.Driver.Grant(ctx, o, p)
}

// An activation hangs past its lease. Another worker goes on with it when the lease has passed, not when it happens to look next.
func TestAHungActivationIsTakenOverInTime(t *testing.T) {
	var driver *deaf
	bubble(t, func(t *testing.T, w *World) {
		defer close(driver.letGo)
		v := ask(t, w, Alice, Read, time.Hour)
		time.Sleep(11 * time.Second) // a lease lasts ten
		if g := grantOf(t, w, v); g.State != access.GrantActive {
			t.Errorf("a second after the lease the grant is %s", g.State)
		}
	}, WithDriver(func(d connector.Driver) connector.Driver {
		driver = &deaf{Driver: d, letGo: make(chan struct{})}
		return driver
	}))
}
