package crash

import (
	"context"
	"iter"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// point is a place at which the process can be killed: "commit activate before", "call grant after".
type point string

// points lists them all, from the engine's own list of transactions and the connector's own list of calls.
func points() []point {
	var out []point
	for _, tx := range engine.Transactions() {
		if tx == "sequence" {
			continue // curfewd on SQLite numbers events in their own commit; package simulation ends processes around this one
		}
		out = append(out, commitPoint(tx, "before"), commitPoint(tx, "after"))
	}
	for _, c := range connector.Calls() {
		out = append(out, callPoint(c, "before"), callPoint(c, "after"))
	}
	return out
}

func commitPoint(tx store.TxName, moment string) point {
	return point("commit " + string(tx) + " " + moment)
}
func callPoint(c connector.Call, moment string) point {
	return point("call " + string(c) + " " + moment)
}

// killer kills this process when it comes to its point.
type killer struct{ at point }

func (k killer) pass(p point) {
	if p == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal has arrived
	}
}

// mortalStore is a store in which the process can die around each commit.
type mortalStore struct {
	store.Store
	killer
	// away is a file: while it is there nothing is committed.
	away string
}

func (s mortalStore) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	if _, err := os.Stat(s.away); err == nil {
		return access.Errorf(access.KindUnavailable, "The store is away.")
	}
	s.pass(commitPoint(name, "before"))
	err := s.Store.Update(ctx, name, fn)
	if err == nil {
		s.pass(commitPoint(name, "after"))
	}
	return err
}

// mortalDriver is a driver in which the process can die around each call. In a process that is to die its first Grant
// fails, so that the life passes a failed attempt as well.
type mortalDriver struct {
	connector.Driver
	killer
	failed *sync.Once
	// hold is a file: while it is there a Grant waits before it begins.
	hold string
}

// held waits until nobody holds Grants back, but not for ever.
func (d mortalDriver) held() {
	for range 100 {
		if _, err := os.Stat(d.hold); err != nil {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (d mortalDriver) Check(ctx context.Context) (connector.Health, error) {
	d.pass(callPoint(connector.CallCheck, "before"))
	defer d.pass(callPoint(connector.CallCheck, "after"))
	return d.Driver.Check(ctx)
}

func (d mortalDriver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		d.pass(callPoint(connector.CallDiscover, "before"))
		defer d.pass(callPoint(connector.CallDiscover, "after"))
		d.Driver.Discover(ctx)(yield)
	}
}

func (d mortalDriver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		d.pass(callPoint(connector.CallList, "before"))
		defer d.pass(callPoint(connector.CallList, "after"))
		d.Driver.List(ctx)(yield)
	}
}

func (d mortalDriver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	d.pass(callPoint(connector.CallPrepare, "before"))
	defer d.pass(callPoint(connector.CallPrepare, "after"))
	return d.Driver.Prepare(ctx, o)
}

func (d mortalDriver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	var fault error
	d.failed.Do(func() {
		if d.at != "" {
			fault = access.Errorf(access.KindUnavailable, "The first attempt fails.")
		}
	})
	if fault != nil {
		return connector.Outcome{}, fault
	}
	d.pass(callPoint(connector.CallGrant, "before"))
	defer d.pass(callPoint(connector.CallGrant, "after"))
	d.held()
	return d.Driver.Grant(ctx, o, p)
}

func (d mortalDriver) Tidy(ctx context.Context, o connector.Order, p access.Plan) (string, error) {
	d.pass(callPoint(connector.CallTidy, "before"))
	defer d.pass(callPoint(connector.CallTidy, "after"))
	return d.Driver.Tidy(ctx, o, p)
}

// scrapped tells orders for the permission that the life attests to. To take it back never works.
func scrapped(o connector.Order) bool { return o.Entitlement.Permission == "scrap" }

var errScrapped = access.Errorf(access.KindUnavailable, "The target is gone for good.")

func (d mortalDriver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	if scrapped(o) {
		return connector.Removal{}, errScrapped
	}
	d.pass(callPoint(connector.CallRevoke, "before"))
	defer d.pass(callPoint(connector.CallRevoke, "after"))
	return d.Driver.Revoke(ctx, o, p)
}

func (d mortalDriver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	d.pass(callPoint(connector.CallRevoke, "before"))
	defer d.pass(callPoint(connector.CallRevoke, "after"))
	done := make([]connector.Revocation, len(tasks))
	var works []connector.Task
	for _, t := range tasks {
		if !scrapped(t.Order) {
			works = append(works, t)
		}
	}
	worked := d.Driver.(connector.BatchRevoker).RevokeBatch(ctx, works)
	for i, t := range tasks {
		if scrapped(t.Order) {
			done[i].Err = errScrapped
		} else {
			done[i], worked = worked[0], worked[1:]
		}
	}
	return done
}

func (d mortalDriver) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	d.pass(callPoint(connector.CallObserve, "before"))
	defer d.pass(callPoint(connector.CallObserve, "after"))
	return d.Driver.(connector.BatchObserver).ObserveBatch(ctx, tasks)
}

func (d mortalDriver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	d.pass(callPoint(connector.CallExtend, "before"))
	defer d.pass(callPoint(connector.CallExtend, "after"))
	return d.Driver.Extend(ctx, o, p)
}

func (d mortalDriver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	d.pass(callPoint(connector.CallObserve, "before"))
	defer d.pass(callPoint(connector.CallObserve, "after"))
	return d.Driver.Observe(ctx, o, p)
}
