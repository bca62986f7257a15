package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
)

// Extend promises an active grant a deadline that is later by a duration; Step keeps the promise, and until it has, the
// old deadline stands. The policies decide anew on the whole duration since the start, so that no number of extensions
// goes past their maximum. What they grant only after a review is refused: that is a request of its own.
func (e *Engine) Extend(ctx context.Context, actor access.Principal, id access.GrantID, by time.Duration) (access.Grant, error) {
	if by < access.MinDuration || by > access.MaxDuration {
		return access.Grant{}, access.Errorf(access.KindInvalid, "An extension is at least 1s and at most %d days, as in --for 30m.", int(access.MaxDuration.Hours()/24))
	}
	g, err := e.Grant(ctx, actor, id)
	if err != nil {
		return access.Grant{}, err
	}
	if !owns(actor, g.Principal, g.Person) {
		return access.Grant{}, access.Errorf(access.KindDenied, "Only the principal of a grant extends it.")
	}
	if g.State != access.GrantActive {
		return access.Grant{}, notExtendable(g)
	}
	r, err := e.load(ctx, g.Request)
	if err != nil {
		return access.Grant{}, err
	}
	v, err := e.decideAgain(ctx, lasting(r, g, g.Deadline.Add(by)))
	if err != nil {
		return access.Grant{}, err
	}
	to, err := extendedDeadline(g, v)
	if err != nil {
		return access.Grant{}, err
	}
	err = e.update(ctx, txExtend, func(c *change) error {
		g := g
		return c.promise(&g, actor.ID, to, v)
	})
	if err != nil {
		return access.Grant{}, err
	}
	return e.loadGrant(ctx, id)
}

func notExtendable(g access.Grant) error {
	return access.Errorf(access.KindConflict, "Grant %s is %s; only one that is active can be extended.", g.ID, g.State)
}

// lasting is what a request would have been, had it asked for this one grant until the deadline.
func lasting(r access.Request, g access.Grant, until time.Time) access.Request {
	r.Entitlements = []access.Entitlement{g.Entitlement}
	r.Duration = until.Sub(g.ActivatedAt)
	return r
}

// extendedDeadline is the deadline that the decision gives to a grant, which must be later than the one it has.
func extendedDeadline(g access.Grant, v ruling) (time.Time, error) {
	target, ok := targetOf(v.d, g.Entitlement)
	switch {
	case v.d.Verdict == policy.VerdictDenied || !ok:
		return time.Time{}, access.Errorf(access.KindDenied, "Grant %s cannot be extended by that: %s", g.ID, v.d.Why)
	case !v.needsNobody():
		return time.Time{}, access.Errorf(access.KindDenied, "To extend grant %s somebody must agree: %s Make a new request for it.", g.ID, v.d.Why)
	}
	to := g.ActivatedAt.Add(target.Duration)
	if !target.Until.IsZero() {
		to = earliest(to, target.Until)
	}
	if !to.After(g.Deadline) {
		return time.Time{}, access.Errorf(access.KindDenied, "Grant %s cannot be extended: the policies end it at %s, whatever is asked.", g.ID, to.Format(time.RFC3339))
	}
	return to, nil
}

// promise writes the later deadline down, before the target is touched, and makes the grant due for it.
func (c *change) promise(g *access.Grant, actor access.PrincipalID, to time.Time, v ruling) error {
	switch {
	case !c.Now().Before(g.Deadline):
		return access.Errorf(access.KindConflict, "Grant %s is over.", g.ID)
	case !g.ExtendTo.IsZero():
		return access.Errorf(access.KindConflict, "Grant %s is being extended to %s already.", g.ID, g.ExtendTo.Format(time.RFC3339))
	}
	if err := c.refuseOutstanding(*g); err != nil {
		return err
	}
	if err := c.refuseFrozen(g.Person, g.Entitlement); err != nil {
		return err
	}
	if err := c.keepDecision(g.Request, v); err != nil {
		return err
	}
	g.ExtendTo = to
	c.due(g)
	if err := c.save(g); err != nil {
		return err
	}
	return c.recordGrant(*g, access.Event{Kind: access.EventGrantExtending, Actor: actor, Detail: map[string]string{
		"deadline": g.Deadline.Format(time.RFC3339Nano), "extend_to": to.Format(time.RFC3339Nano),
	}})
}

// orderExtension notes that the order to extend a claimed grant is under way. It counts as no attempt: the credential
// stays the one that the last attempt issued.
func (c *change) orderExtension(g *access.Grant) error {
	// The lease ends with the deadline at the latest: whoever finds the grant due then takes it back in time.
	g.DueAt = earliest(g.DueAt, g.Deadline)
	g.ActBy = g.DueAt
	return c.save(g)
}

// extend moves the target's own expiry to the promised deadline, and then the deadline itself. In between, and after a
// crash, the access outlives the books' deadline by nobody's fault at most until the promised one, and whoever comes next
// finishes this or takes it back when the old deadline has come.
func (e *Engine) extend(ctx context.Context, conn *connector.Connector, g access.Grant) error {
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
	order, err := e.order(ctx, g, r)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	order.Deadline, order.Recipient = g.ExtendTo, nil
	if err := e.moveExpiry(ctx, conn, order, plan, t); err != nil {
		return e.fail(ctx, g, err)
	}
	var extended access.Grant
	err = e.update(ctx, txExtended, func(c *change) error {
		extended = g
		if conn.Type().Traits.ExpiryFixed {
			// It lapses at the old deadline. Whoever asks for it from now on is issued another.
			if err := c.Credentials().Delete(g.Tenant, g.ID); err != nil {
				return err
			}
		}
		return c.extended(&extended)
	})
	if err == nil && t == nil {
		e.standby.keep(extended, plan)
	}
	return lost(err)
}

// moveExpiry has the target move its own expiry: of an object of the grant's own, or of those of its rights that nothing
// else has made.
func (e *Engine) moveExpiry(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) error {
	if t == nil {
		return conn.Extend(ctx, o, p)
	}
	ours := func(r heldRight) bool { return !r.Standing }
	return e.eachMaker(ctx, o, p, t, ours, func(o connector.Order, p access.Plan) error { return conn.Extend(ctx, o, p) })
}

func (c *change) extended(g *access.Grant) error {
	before := g.Deadline
	g.Deadline, g.ExtendTo = g.ExtendTo, time.Time{}
	g.Duration = g.Deadline.Sub(g.ActivatedAt)
	g.Lease, g.DueAt, g.ActBy = "", g.Deadline, time.Time{}
	g.Failures, g.LastError = 0, ""
	if err := c.save(g); err != nil {
		return err
	}
	return c.recordGrant(*g, access.Event{Kind: access.EventGrantExtended, Detail: map[string]string{
		"deadline": g.Deadline.Format(time.RFC3339Nano), "before": before.Format(time.RFC3339Nano),
	}})
}
