package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// voidPage is how many grants VoidLeases looks at at once.
const voidPage = 500

// VoidLeases takes the leases back that an earlier process left behind, so that what it had in hand is due at once. It
// is for a process that has the books to itself, before its Runner starts: on books that others share, a lease may be
// theirs. An order of the earlier process may still be on its way: the grant remembers until when (ActBy), and does not
// end before.
func (e *Engine) VoidLeases(ctx context.Context) error {
	now, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return err
	}
	for name := range e.rules.Load().Connectors {
		for _, queue := range []store.Queue{store.QueueNew, store.QueueLive} {
			lane := store.Lane{Tenant: e.cfg.Tenant, Connector: name, Queue: queue}
			// A claim's lease begins no later than now, and that of what is announced no later than its deadline. The
			// earlier process may have given its calls more time than this one gives them.
			if err := e.voidLane(ctx, lane, now, now.Add(announceAhead+leaseOf(connector.MaxTimeout))); err != nil {
				return err
			}
		}
	}
	return nil
}

// voidLane voids the leases in one queue that end between the two moments.
func (e *Engine) voidLane(ctx context.Context, lane store.Lane, after, until time.Time) error {
	from := store.Due{At: after}
	for {
		var page []access.Grant
		err := e.update(ctx, txVoided, func(c *change) (err error) {
			if page, err = c.Grants().Upcoming(lane, from, until, voidPage); err != nil {
				return err
			}
			for _, g := range page {
				if g.Lease == "" {
					continue
				}
				c.dueAt(&g, endsAt(g, c.Now()))
				if err := c.save(&g); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(page) < voidPage {
			return err
		}
		last := page[len(page)-1]
		from = store.Due{At: last.DueAt, ID: last.ID}
	}
}

// leaseFor is how long a claim lasts behind a connector.
func leaseFor(conn *connector.Connector) time.Duration { return leaseOf(conn.Timeout()) }

// leaseOf is how long a claim lasts where a call may take so long: the call, and what comes after it.
func leaseOf(timeout time.Duration) time.Duration { return 2 * timeout }
