package engine

import (
	"context"
	"errors"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// activate plans, decides once more with fresh facts, commits plan and deadline, and only then touches the target.
func (e *Engine) activate(ctx context.Context, conn *connector.Connector, g access.Grant) error {
	r, err := e.load(ctx, g.Request)
	if err != nil {
		return err
	}
	v, why, err := e.mayBegin(ctx, r)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	if why != "" {
		return e.notActivated(ctx, g, e.update(ctx, txActivate, func(c *change) error {
			g := g
			if err := c.keepRefusal(r.ID, v); err != nil {
				return err
			}
			return c.end(&g, access.EndIneligible, access.Event{Personal: map[string]string{"why": why}})
		}))
	}
	g.Account, g.MarkGeneration = accountIn(v.in, g.Entitlement), e.cfg.Sealer.Generation()
	order, err := e.order(ctx, g, r)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	plan, err := conn.Prepare(ctx, order)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	t, err := e.beginTurn(ctx, conn, turnOf(g), plan.Atoms)
	if err != nil {
		return e.retry(ctx, g, err)
	}
	defer e.endTurn(ctx, t)
	if err := e.lookBefore(ctx, conn, order, plan, t); err != nil {
		return e.fail(ctx, g, err)
	}
	sealed, err := e.sealPlan(g.ID, plan)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	if planted.Active(planted.EffectBeforeCommit) {
		early := order
		early.Deadline = early.ActBy
		_, _ = conn.Grant(ctx, early, plan)
	}
	var activating access.Grant
	err = e.update(ctx, txActivate, func(c *change) error {
		activating = g
		frozen, err := c.freezeOn(g.Person, g.Entitlement.Connector)
		if err != nil {
			return err
		}
		if frozen != nil {
			return c.end(&activating, access.EndRevoked, frozenEvent(*frozen))
		}
		if err := c.hold(activating, t); err != nil {
			return err
		}
		return c.startClock(&activating, r, v, sealed)
	})
	if err != nil || activating.State != access.GrantActivating {
		return e.notActivated(ctx, g, err)
	}
	return e.grant(ctx, conn, activating, r, plan, t)
}

// notActivated leaves a lost race to whoever won it. A decision that has become stale is made again soon.
func (e *Engine) notActivated(ctx context.Context, g access.Grant, err error) error {
	if errors.Is(err, errStale) {
		return e.fail(ctx, g, err)
	}
	return lost(err)
}

// mayBegin decides the request again, and holds it against what its reviewers were shown. What is live already is not held
// against that. why is set when the grant may not begin.
func (e *Engine) mayBegin(ctx context.Context, r access.Request) (v ruling, why string, err error) {
	v, why, err = e.stillEligible(ctx, r, false)
	if err != nil || why != "" {
		return v, why, err
	}
	why, err = e.asReviewed(ctx, r, v.d)
	return v, why, err
}

// keepRefusal keeps the decision by which a grant may not begin. One that implies more than reviewers were shown is not kept:
// nobody was shown it, and the other grants of the request are held against the newest.
func (c *change) keepRefusal(id access.RequestID, v ruling) error {
	shown, err := newestDecisions(c, c.engine.cfg.Tenant, id)
	if err != nil {
		return err
	}
	if widened(v.d, shown[id]) != "" {
		return c.refuseStale(v)
	}
	return c.keepDecision(id, v)
}

// stillEligible decides the request again. why is set when it would not be given any more. begun says that access under it
// has begun already.
func (e *Engine) stillEligible(ctx context.Context, r access.Request, begun bool) (v ruling, why string, err error) {
	rules := e.rules.Load()
	v, err = e.decideAgain(ctx, r)
	if is(err, access.KindNotFound) {
		return ruling{rules: rules}, access.SafeMessage(err), nil
	}
	if err != nil {
		return v, "", err
	}
	if v.d.Verdict == policy.VerdictDenied {
		return v, v.d.Why, nil
	}
	if v.reviewed, err = e.reviewed(ctx, r.ID); err != nil {
		return v, "", err
	}
	c := v.toTally(r, v.reviewed, v.in.Now)
	c.Begun = begun
	if !policy.Tally(c).Approved {
		return v, "The reviews were given for other policies, or by people who may not review any more.", nil
	}
	return v, "", nil
}

// startClock makes a scheduled grant activating: from here its deadline stands, and no retry moves it.
func (c *change) startClock(g *access.Grant, r access.Request, v ruling, sealedPlan store.Sealed) error {
	if err := c.refuseUnreviewed(r, v); err != nil {
		return err
	}
	target, ok := targetOf(v.d, g.Entitlement)
	if !ok {
		return access.Errorf(access.KindInternal, "the decision on request %s leaves out %s", g.Request, g.Entitlement)
	}
	g.Duration = min(g.Duration, target.Duration)
	g.ActivatedAt = c.Now()
	g.Deadline = c.Now().Add(g.Duration)
	if !target.Until.IsZero() && target.Until.Before(g.Deadline) {
		g.Deadline = target.Until
	}
	g.Attempt++
	g.ActBy = g.DueAt
	if err := c.Plans().Put(g.Tenant, g.ID, sealedPlan); err != nil {
		return err
	}
	if err := c.keepDecision(g.Request, v); err != nil {
		return err
	}
	c.foresee = append(c.foresee, laneOf(*g, store.QueueLive)) // where it is due when the lease passes
	return c.move(g, access.GrantActivating, access.Event{Detail: map[string]string{
		"deadline": g.Deadline.Format(time.RFC3339Nano), "policy": target.Policy,
	}})
}

func targetOf(d policy.Decision, ent access.Entitlement) (policy.TargetDecision, bool) {
	for _, t := range d.Targets {
		if t.Entitlement == ent {
			return t, true
		}
	}
	return policy.TargetDecision{}, false
}

// resume tries again what a failure or a crash left in activating.
func (e *Engine) resume(ctx context.Context, conn *connector.Connector, g access.Grant) error {
	r, err := e.load(ctx, g.Request)
	if err != nil {
		return err
	}
	plan, err := e.openPlan(ctx, g.ID)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	t, err := e.beginTurn(ctx, conn, turnOf(g), plan.Atoms)
	if err != nil {
		return e.retry(ctx, g, err)
	}
	defer e.endTurn(ctx, t)
	return e.grant(ctx, conn, g, r, plan, t)
}

// grant makes the access at the target, and the grant active. Whoever finds that the grant was taken further meanwhile
// undoes what it did.
func (e *Engine) grant(ctx context.Context, conn *connector.Connector, g access.Grant, r access.Request, plan access.Plan, t *turn) error {
	order, err := e.order(ctx, g, r)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	out, err := e.give(ctx, conn, order, plan, t)
	if is(err, access.KindInvalid) || is(err, access.KindNotFound) {
		return e.giveUp(ctx, g, err)
	}
	if err != nil {
		return e.fail(ctx, g, err)
	}
	err = e.update(ctx, txActivated, func(c *change) error {
		g := g
		forgetOnlyOrder(&g)
		c.dueAt(&g, g.Deadline)
		if err := c.settle(t); err != nil {
			return err
		}
		if err := c.keepOutcome(g, order, out); err != nil {
			return err
		}
		return c.move(&g, access.GrantActive, access.Event{Detail: map[string]string{"deadline": g.Deadline.Format(time.RFC3339Nano)}})
	})
	if is(err, access.KindConflict) {
		return e.undoActivation(ctx, conn, order, plan, t)
	}
	if err == nil && t == nil { // what is shared waits for the store: see keepAtHand
		if out.Plan != nil {
			plan = *out.Plan
		}
		e.standby.keep(g, plan)
	}
	return err
}

// forgetOnlyOrder notes that the grant's last order has returned. Of earlier ones nobody knows the outcome: with them
// ActBy stays, because before it they may still arrive.
func forgetOnlyOrder(g *access.Grant) {
	if g.Attempt == 1 {
		g.ActBy = time.Time{}
	}
}

// undoActivation takes back what an activation brought about after the grant had been taken further, and lets the
// grant end without waiting for that order any longer. Where another order took it further, what is live rests on both,
// and stays.
func (e *Engine) undoActivation(ctx context.Context, conn *connector.Connector, order connector.Order, plan access.Plan, t *turn) error {
	now, err := e.loadGrant(ctx, order.Grant)
	if err != nil || now.State == access.GrantActivating || now.State == access.GrantActive {
		return err
	}
	if planted.Active(planted.UndoSkipped) {
		return nil
	}
	if err := e.undo(ctx, conn, order, plan, t); err != nil {
		return err
	}
	return lost(e.update(ctx, txUndone, func(c *change) error {
		g, err := c.Grants().Get(order.Tenant, order.Grant)
		if err != nil || g.State != access.GrantRevoking || g.Attempt != order.Attempt || g.Lease != "" {
			return err
		}
		forgetOnlyOrder(&g)
		c.due(&g)
		return c.save(&g)
	}))
}

// undo takes back what an order brought about after the grant had been taken further. Taking back an object of the
// grant's own may be late; a shared right is left alone once the turn is over.
func (e *Engine) undo(ctx context.Context, conn *connector.Connector, order connector.Order, plan access.Plan, t *turn) error {
	order.ActBy = time.Time{}
	if _, err := e.takeAway(ctx, conn, order, plan, t); err != nil || t == nil {
		return err
	}
	_, err := e.readBack(ctx, conn, order, plan, t) // others wait for the turn until that is done
	return err
}

// giveUp takes back an activation that can never work.
func (e *Engine) giveUp(ctx context.Context, g access.Grant, cause error) error {
	message := access.SafeMessage(cause)
	e.cfg.Observer.AttemptFailed(g, cause)
	return lost(e.update(ctx, txFailed, func(c *change) error {
		g := g
		g.EndReason = access.EndFailed
		forgetOnlyOrder(&g) // this one was refused as a whole
		c.due(&g)
		return c.beginRevoking(&g, access.Event{Personal: map[string]string{"error": message}})
	}))
}

// keepOutcome keeps the refined plan and the credential that a driver brought about.
func (c *change) keepOutcome(g access.Grant, o connector.Order, out connector.Outcome) error {
	if out.Plan != nil {
		sealed, err := c.engine.sealPlan(g.ID, *out.Plan)
		if err != nil {
			return err
		}
		if err := c.Plans().Put(g.Tenant, g.ID, sealed); err != nil {
			return err
		}
	}
	if len(out.Sealed) == 0 {
		return nil
	}
	err := c.Credentials().Put(g.Tenant, access.SealedCredential{
		Grant: g.ID, Attempt: o.Attempt, Recipient: o.Recipient, Ciphertext: out.Sealed, IssuedAt: c.Now(),
	})
	if err != nil {
		return err
	}
	return c.recordGrant(g, access.Event{Kind: access.EventCredentialIssued, Detail: map[string]string{"recipient": fingerprint(o.Recipient)}})
}

// reviews reads a request's reviews.
func (e *Engine) reviews(ctx context.Context, id access.RequestID) (out []access.Review, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		out, err = tx.Reviews().List(e.cfg.Tenant, id)
		return err
	})
	return out, err
}
