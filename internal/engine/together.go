package engine

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// Objects of their grants' own are removed together where the target can: it takes a hundred back with little more work
// than one. Each grant fares as it would alone, and eight ends are one commit.

// removal is one of several grants that are taken back together.
type removal struct {
	grant   access.Grant
	task    connector.Task
	removed connector.Removal
	// read is when the read back began, and back what it saw.
	read time.Time
	back reading
	// err is why the grant is not gone.
	err error
}

// ownsObjects reports whether each grant behind a connector has an object of its own. What is shared waits for its turn.
func ownsObjects(conn *connector.Connector) bool { return !conn.Type().Traits.Shared() }

// atOnce is how many grants are taken back with one call behind a connector.
func atOnce(conn *connector.Connector) int {
	if conn.Batches() {
		return connector.MaxBatch
	}
	return 1 // a slow one would hold up the ends of all
}

// apart takes what is to be removed from a claim. The rest is no less urgent; it is acted on one by one.
func apart(work []access.Grant) (together, alone []access.Grant) {
	for _, g := range work {
		if g.State == access.GrantRevoking {
			together = append(together, g)
		} else {
			alone = append(alone, g)
		}
	}
	return together, alone
}

// removeTogether takes grants back and reads them back, as many at once as the target can, while their lease lasts. They
// are settled later.
func (e *Engine) removeTogether(ctx context.Context, conn *connector.Connector, a *ahead, list []*removal) error {
	for batch := range slices.Chunk(list, atOnce(conn)) {
		now, err := e.cfg.Store.Now(ctx)
		if err != nil {
			return err
		}
		// Those that were announced at different times have leases of different ends.
		batch = slices.DeleteFunc(slices.Clone(batch), func(r *removal) bool { return leaseOver(conn, r.grant, now) })
		if len(batch) == 0 {
			continue
		}
		if err := e.removeBatch(ctx, conn, batch); err != nil {
			return err
		}
		a.addDone(batch)
	}
	return nil
}

// leaseOver reports whether the lease leaves no time for a call. What is left then is for the next claim. An extension is
// one call, and is cut short by its lease, which may end with the deadline at once.
func leaseOver(conn *connector.Connector, g access.Grant, now time.Time) bool {
	return g.State != access.GrantActive && now.Add(conn.Timeout()).After(g.DueAt)
}

func (e *Engine) removeBatch(ctx context.Context, conn *connector.Connector, list []*removal) error {
	for _, r := range list {
		_, ended := e.cfg.Observer.Act(ctx, r.grant)
		defer ended()
	}
	revoke(ctx, conn, list)
	// Taken before the read: an order that arrives after it must find the read yet to come.
	read, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return err
	}
	readBackAll(ctx, conn, list)
	for _, r := range list {
		r.read, r.removed.ResidualUntil = read, residualUntil(conn, r.grant, r.removed, r.back, read)
		if r.err != nil {
			e.attemptFailed(ctx, r.grant, r.err)
		}
	}
	return nil
}

// removals reads the plans of the grants at once.
func (e *Engine) removals(ctx context.Context, grants []access.Grant) ([]*removal, error) {
	if len(grants) == 0 {
		return nil, nil
	}
	list := make([]*removal, len(grants))
	sealed := make([][]byte, len(grants))
	err := e.cfg.Store.View(ctx, func(tx store.Tx) error {
		for i, g := range grants {
			list[i] = &removal{grant: g}
			if sealed[i], list[i].err = tx.Plans().Get(e.cfg.Tenant, g.ID); list[i].err != nil && !is(list[i].err, access.KindNotFound) {
				return list[i].err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, r := range list {
		if r.err == nil {
			r.task.Order, r.err = e.order(ctx, r.grant, access.Request{})
		}
		if r.err == nil {
			r.task.Plan, r.err = e.unsealPlan(ctx, r.grant.ID, sealed[i])
		}
	}
	return list, nil
}

// revoke takes back all that nothing is wrong with yet.
func revoke(ctx context.Context, conn *connector.Connector, list []*removal) {
	going, tasks := unfailed(list)
	for i, done := range conn.RevokeAll(ctx, tasks) {
		going[i].removed, going[i].err = done.Removal, done.Err
	}
}

// readBackAll reads all that was taken back.
func readBackAll(ctx context.Context, conn *connector.Connector, list []*removal) {
	going, tasks := unfailed(list)
	for i, seen := range conn.ObserveAll(ctx, tasks) {
		going[i].back, going[i].err = reading{by: seen.Presence.ReadBy, issued: seen.Presence.Issued}, seen.Err
		if seen.Err == nil {
			going[i].err = gone(seen.Presence.State())
		}
	}
}

func unfailed(list []*removal) (going []*removal, tasks []connector.Task) {
	for _, r := range list {
		if r.err == nil {
			going, tasks = append(going, r), append(tasks, r.task)
		}
	}
	return going, tasks
}

// settleDone ends what is gone and puts back what is not, a few in one transaction.
func (e *Engine) settleDone(ctx context.Context, a *ahead) error {
	for some := a.takeDone(bite); len(some) > 0; some = a.takeDone(bite) {
		if err := e.settleSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// settleSome settles in one transaction. A grant that somebody else has taken further meanwhile is left as it is.
func (e *Engine) settleSome(ctx context.Context, list []*removal) error {
	return e.update(ctx, txRemoved, func(c *change) error {
		for _, r := range list {
			g := r.grant
			var err error
			if r.err != nil {
				err = c.failed(&g, r.err)
			} else {
				err = c.removed(&g, r.removed, r.back, r.read)
			}
			if lost(err) != nil {
				return err
			}
		}
		return nil
	})
}
