package engine

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/store"
)

// bite is how many grants one transaction of the background writes at most: what people wait for comes in between.
const bite = 8

// claiming is a Step's claim: one lease for all that it takes.
type claiming struct {
	lane  store.Lane
	now   time.Time
	lease string
	end   time.Time
	// work is what was claimed and is acted on.
	work []access.Grant
}

// claim leases what is due and makes the transitions that need no target. It returns the grants to act on, those that
// were claimed before an error too.
func (e *Engine) claim(ctx context.Context, now time.Time, lane store.Lane, conn *connector.Connector, limit int) ([]access.Grant, error) {
	cl := claiming{lane: lane, now: now, lease: e.cfg.IDs.New("lease_"), end: now.Add(leaseFor(conn))}
	for left := limit; left > 0; left -= bite {
		n := min(left, bite)
		if due, err := e.claimSome(ctx, &cl, n); err != nil || due < n {
			return cl.work, err
		}
	}
	return cl.work, nil
}

// claimSome claims up to limit grants more, and returns how many were due.
func (e *Engine) claimSome(ctx context.Context, cl *claiming, limit int) (due int, err error) {
	name := txClaimLive
	if cl.lane.Queue == store.QueueNew {
		name = txClaim
	}
	var work []access.Grant
	var undone map[access.GrantID]bool
	err = e.update(ctx, name, func(c *change) error {
		work = nil
		list, err := c.Grants().Due(cl.lane, cl.now, limit)
		if err != nil {
			return err
		}
		for _, g := range list {
			if c.undone[g.ID] {
				continue
			}
			g.Lease, g.DueAt = cl.lease, cl.end
			if err := c.takeOn(&g, cl.now); err != nil {
				return err
			}
			if !g.DueAt.IsZero() {
				work = append(work, g)
			}
		}
		due, undone = len(list), c.undone
		return nil
	})
	if err != nil {
		// After a cancelled wait the transaction may still run, and its variables are its own until it is known to be over.
		return 0, err
	}
	// What was taken back with another of its bundle is left to whoever claims it next.
	cl.work = slices.DeleteFunc(append(cl.work, work...), func(g access.Grant) bool { return undone[g.ID] })
	return due, nil
}

// takeOn writes a claimed grant, in the state in which it is acted on.
func (c *change) takeOn(g *access.Grant, now time.Time) error {
	if stopped, err := c.stopFrozen(g, now); stopped || err != nil {
		return err
	}
	switch g.State {
	case access.GrantScheduled:
		if now.Before(g.StartAt.Add(activationLimit)) {
			return c.save(g)
		}
		return c.end(g, access.EndFailed, access.Event{
			Detail: map[string]string{"why": "The target could not be prepared in time."}, Personal: map[string]string{"error": g.LastError},
		})
	case access.GrantActivating:
		if now.Before(g.Deadline) && now.Before(g.ActivatedAt.Add(activationLimit)) {
			if planted.Active(planted.DeadlineMovedOnRetry) {
				g.Deadline = now.Add(g.Duration)
			}
			g.Attempt++
			g.ActBy = g.DueAt
			return c.save(g)
		}
		g.EndReason = access.EndFailed
		return c.beginRevoking(g, access.Event{Personal: map[string]string{"error": g.LastError}})
	case access.GrantActive:
		if now.Before(g.Deadline) {
			return c.orderExtension(g)
		}
		g.EndReason = access.EndExpired
		return c.beginRevoking(g, access.Event{})
	default:
		return c.save(g)
	}
}
