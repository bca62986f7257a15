package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// Progress is what a Step did.
type Progress struct {
	// Claimed counts the grants that were due.
	Claimed int
	// Next is when something in the lane is due next; zero means never. It may be in the past.
	Next time.Time
}

// Step does what is due in one queue of a lane at now: it claims at most limit grants under a lease, acts at the target,
// and settles each. Where each grant has an object of its own it also writes ahead what ends within moments, and leaves what is
// to be settled to the next Step while there is more to do at the target. It starts no goroutine. Failures of the target
// are kept with the grant and tried again; an error of Step itself is one of the store, and what was claimed comes up again
// when its lease has passed. The end of ctx does not cut short what was begun.
func (e *Engine) Step(ctx context.Context, now time.Time, lane store.Lane, limit int) (Progress, error) {
	conn, err := e.connector(lane.Connector)
	if err == nil && lane.Queue != store.QueueNew && ownsObjects(conn) {
		return e.stepAhead(ctx, now, lane, conn, limit)
	}
	next, dueErr := e.nextDue(ctx, lane)
	if dueErr != nil || next.IsZero() || next.After(now) {
		return Progress{Next: next}, dueErr
	}
	if err != nil {
		return Progress{}, err
	}
	work, err := e.claim(ctx, now, lane, conn, limit)
	err = errors.Join(err, e.actOn(context.WithoutCancel(ctx), conn, work)) // what was begun is brought to its end
	next, dueErr = e.nextDue(ctx, lane)
	return Progress{Claimed: len(work), Next: next}, errors.Join(err, dueErr)
}

// actOn acts on claimed grants one by one, while their lease lasts.
func (e *Engine) actOn(ctx context.Context, conn *connector.Connector, work []access.Grant) error {
	var errs []error
	for _, g := range work {
		now, err := e.cfg.Store.Now(ctx)
		if err != nil || leaseOver(conn, g, now) {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, e.act(ctx, conn, g))
	}
	return errors.Join(errs...)
}

func (e *Engine) nextDue(ctx context.Context, lane store.Lane) (next time.Time, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		next, err = tx.Grants().NextDue(lane)
		return err
	})
	return next, err
}

// end ends a grant without a read of the target: it was never touched, or it is attested to be gone.
func (c *change) end(g *access.Grant, reason access.EndReason, ev access.Event) error {
	g.EndReason, g.DueAt, g.Lease = reason, time.Time{}, ""
	if err := c.undoPartial(*g); err != nil {
		return err
	}
	return c.move(g, access.GrantEnded, because(ev, reason))
}

// act does what the grant's state asks for at the target.
func (e *Engine) act(ctx context.Context, conn *connector.Connector, g access.Grant) error {
	ctx, ended := e.cfg.Observer.Act(ctx, g)
	defer ended()
	switch g.State {
	case access.GrantScheduled:
		return e.activate(ctx, conn, g)
	case access.GrantActivating:
		return e.resume(ctx, conn, g)
	case access.GrantActive:
		return e.extend(ctx, conn, g)
	case access.GrantRevoking:
		return e.remove(ctx, conn, g)
	case access.GrantEnded:
		return e.tidy(ctx, conn, g)
	default:
		return nil
	}
}

// fail keeps a failed attempt with its grant and says when the next one is. The attempts never run out; what an
// activation runs out of is time.
func (e *Engine) fail(ctx context.Context, g access.Grant, cause error) error {
	e.attemptFailed(ctx, g, cause)
	return lost(e.update(ctx, txFailed, func(c *change) error {
		g := g
		return c.failed(&g, cause)
	}))
}

// attemptFailed tells whoever watches.
func (e *Engine) attemptFailed(ctx context.Context, g access.Grant, cause error) {
	e.cfg.Observer.AttemptFailed(g, cause)
	e.cfg.Log.WarnContext(ctx, "attempt failed", "grant", g.ID, "entitlement", g.Entitlement.String(), "state", g.State,
		"attempt", g.Attempt, "failures", g.Failures+1, "overdue", g.State == access.GrantRevoking, "error", cause)
}

// failed keeps a failed attempt.
func (c *change) failed(g *access.Grant, cause error) error {
	g.Failures++
	g.LastError = access.SafeMessage(cause)
	next := c.Now().Add(backoff(g.Failures))
	switch g.State {
	case access.GrantActivating:
		next = earliest(next, g.Deadline, g.ActivatedAt.Add(activationLimit))
	case access.GrantActive:
		next = earliest(next, g.Deadline)
	default:
	}
	c.dueAt(g, next)
	if planted.Active(planted.AttemptsCapped) && g.Failures >= 6 {
		g.DueAt = time.Time{}
	}
	if err := c.save(g); err != nil {
		return err
	}
	return c.recordGrant(*g, access.Event{Kind: access.EventGrantFailed, To: string(g.State), Personal: map[string]string{"error": g.LastError}})
}

func earliest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.Before(t) {
			t = o
		}
	}
	return t
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// is reports whether err is an error of the kind.
func is(err error, kind access.Kind) bool { return err != nil && access.KindOf(err) == kind }

// lost turns a lost race into success: whoever won has taken the grant further.
func lost(err error) error {
	if is(err, access.KindConflict) {
		return nil
	}
	return err
}

// order is what the driver may know of the grant.
func (e *Engine) order(ctx context.Context, g access.Grant, r access.Request) (connector.Order, error) {
	if !e.issues(g.Entitlement.Connector) {
		r.Recipient = nil
	}
	mark, err := e.mark(ctx, g.Entitlement.Connector, g.ID, g.MarkGeneration)
	return connector.Order{
		Grant: g.ID, Attempt: g.Attempt, ActBy: g.DueAt, Mark: mark, Tenant: g.Tenant,
		Principal: g.Principal, Account: g.Account, Entitlement: g.Entitlement, Params: r.Params, Recipient: r.Recipient,
		Start: g.ActivatedAt, Deadline: g.Deadline,
	}, err
}

// planPlace is where a grant's plan lies.
func planPlace(g access.GrantID) secret.Place {
	return secret.Place{Table: "plans", Row: string(g), Column: "sealed", Version: 1}
}

func (e *Engine) sealPlan(g access.GrantID, p access.Plan) (store.Sealed, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return store.Sealed{}, err
	}
	return e.seal(planPlace(g), plain)
}

func (e *Engine) openPlan(ctx context.Context, g access.GrantID) (p access.Plan, err error) {
	var sealed []byte
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		sealed, err = tx.Plans().Get(e.cfg.Tenant, g)
		return err
	})
	if err != nil {
		return access.Plan{}, err
	}
	return e.unsealPlan(ctx, g, sealed)
}

func (e *Engine) unsealPlan(ctx context.Context, g access.GrantID, sealed []byte) (p access.Plan, err error) {
	plain, err := e.unseal(ctx, planPlace(g), sealed)
	if err != nil {
		return access.Plan{}, err
	}
	return p, json.Unmarshal(plain, &p)
}
