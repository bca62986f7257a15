package engine

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
)

// Return gives a grant back early. Its principal may, the human behind that principal, and who asked for it in their name. A grant that is being taken back, or has ended, stays as it is.
func (e *Engine) Return(ctx context.Context, actor access.Principal, id access.GrantID) (access.Grant, error) {
	return e.takeBack(ctx, actor, id, access.EndReturned, "", func(g access.Grant, asked bool) bool { return asked || owns(actor, g.Principal, g.Person) })
}

// Revoke takes back another's grant. Administrators may, and so may its principal.
func (e *Engine) Revoke(ctx context.Context, actor access.Principal, id access.GrantID, reason string) (access.Grant, error) {
	if err := checkReason(reason); err != nil {
		return access.Grant{}, err
	}
	return e.takeBack(ctx, actor, id, access.EndRevoked, reason, func(g access.Grant, _ bool) bool {
		return owns(actor, g.Principal, g.Person) || e.directory().HasRole(actor, access.RoleAdmin)
	})
}

func (e *Engine) takeBack(ctx context.Context, actor access.Principal, id access.GrantID, why access.EndReason, reason string, may func(g access.Grant, asked bool) bool) (access.Grant, error) {
	err := e.update(ctx, txRevoke, func(c *change) error {
		g, err := c.Grants().Get(e.cfg.Tenant, id)
		if err != nil {
			return e.unseen(actor, err, "grant", string(id))
		}
		asked, err := e.askedForGrant(c.Tx, actor, g)
		switch {
		case err != nil:
			return err
		case !asked && !e.maySeeGrant(actor, g):
			return access.Errorf(access.KindNotFound, "You have no grant %s.", id)
		case !may(g, asked):
			return access.Errorf(access.KindDenied, "Only an administrator takes back another's grant.")
		}
		return c.retire(&g, why, access.Event{Actor: actor.ID, Personal: map[string]string{"reason": reason}})
	})
	if err != nil {
		return access.Grant{}, err
	}
	return e.loadGrant(ctx, id)
}

// checkReason checks what an administrator says for doing something to others.
func checkReason(reason string) error {
	if reason == "" || len(reason) > access.MaxReason || !text(reason) {
		return access.Errorf(access.KindInvalid, "This needs a reason of at most %d bytes of UTF-8 text, as in --reason \"laptop stolen\".", access.MaxReason)
	}
	return nil
}

// retire takes a grant back from wherever it stands: one that never touched the target ends, one that may have is due to
// be taken back at once, and one on its way out stays as it is.
func (c *change) retire(g *access.Grant, why access.EndReason, ev access.Event) error {
	switch g.State {
	case access.GrantScheduled:
		return c.end(g, why, ev)
	case access.GrantActivating, access.GrantActive:
		g.EndReason = why
		c.due(g)
		return c.beginRevoking(g, ev)
	case access.GrantRevoking:
		return c.bringForward(g, why, ev)
	default:
		return nil
	}
}

// bringForward has a grant taken back at once that would have ended in a moment.
func (c *change) bringForward(g *access.Grant, why access.EndReason, ev access.Event) error {
	if !c.isAnnounced(*g) {
		return nil
	}
	g.EndReason = why
	c.due(g)
	if err := c.save(g); err != nil {
		return err
	}
	ev = because(ev, why)
	ev.Kind, ev.From, ev.To = access.EventGrantRevoking, string(g.State), string(g.State)
	return c.recordGrant(*g, ev)
}

// beginRevoking moves a grant to revoking, the one way out. The credential is gone from the store with the same commit.
func (c *change) beginRevoking(g *access.Grant, ev access.Event) error {
	if !planted.Active(planted.CredentialKept) {
		if err := c.Credentials().Delete(g.Tenant, g.ID); err != nil {
			return err
		}
	}
	if err := c.undoPartial(*g); err != nil {
		return err
	}
	return c.move(g, access.GrantRevoking, because(ev, g.EndReason))
}

// because adds why a grant ends to the event of that.
func because(ev access.Event, why access.EndReason) access.Event {
	detail := map[string]string{"reason": string(why)}
	maps.Copy(detail, ev.Detail)
	ev.Detail = detail
	return ev
}

// remove takes the access away and reads back that it is gone, or explained by something else. Only that ends the grant.
func (e *Engine) remove(ctx context.Context, conn *connector.Connector, g access.Grant) error {
	plan, err := e.openPlan(ctx, g.ID)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	t, err := e.beginTurn(ctx, conn, turnOf(g), plan.Atoms)
	if err != nil {
		return e.retry(ctx, g, err)
	}
	defer e.endTurn(ctx, t)
	order, err := e.order(ctx, g, access.Request{})
	if err != nil {
		return e.fail(ctx, g, err)
	}
	removal, err := e.takeAway(ctx, conn, order, plan, t)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	// Taken before the read: an order that arrives after it must find the read yet to come.
	read, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return err
	}
	back, err := e.readBack(ctx, conn, order, plan, t)
	if err != nil {
		return e.fail(ctx, g, err)
	}
	removal.ResidualUntil = residualUntil(conn, g, removal, back, read)
	return lost(e.update(ctx, txRemoved, func(c *change) error {
		g := g
		if err := c.settle(t); err != nil {
			return err
		}
		return c.removed(&g, removal, back, read)
	}))
}

// residualPause is how soon what was issued, and outlives its residual, is tried again.
const residualPause = time.Second

// residualUntil is when the last of what was issued stops working. What the target makes of removals counts from the first read
// that the access was gone, which the grant remembers: whoever removed it, and whoever died after that, had nothing else to tell.
// What was seen to work still is looked at again after residualPause, however long that goes on.
func residualUntil(conn *connector.Connector, g access.Grant, removal connector.Removal, back reading, read time.Time) time.Time {
	until := removal.ResidualUntil
	if residual := conn.Type().Traits.Residual; residual > 0 {
		since := g.ResidualUntil
		if since.IsZero() {
			since = read.Add(residual)
		}
		until = latest(until, since)
	}
	if back.issued == connector.Present {
		until = latest(until, read.Add(residualPause))
	}
	return until
}

// removed ends a grant whose access was read back as gone, or as kept by something else, by a read that began at read,
// unless something issued under it could still have effect then.
func (c *change) removed(g *access.Grant, removal connector.Removal, back reading, read time.Time) error {
	if planted.Active(planted.LateOrderForgotten) {
		g.ActBy = time.Time{}
	}
	g.Lease = ""
	g.SessionsEnded += removal.SessionsEnded
	g.ResidualUntil = removal.ResidualUntil
	again := g.ResidualUntil
	if late := g.ActBy.Add(lateMargin); !g.ActBy.IsZero() && late.After(again) {
		// An order to grant was cut short and may still arrive: look again when it no longer can.
		again = late
	}
	if again.After(read) {
		g.DueAt, g.LastError = again, "Gone, and read again when nothing issued earlier can take effect any more."
		return c.save(g)
	}
	g.DueAt, g.ActBy = time.Time{}, time.Time{}
	g.ExtendTo = time.Time{}
	g.VerifiedAt, g.VerifiedBy, g.KeptBy = read, back.by, back.keptBy
	g.Housekeeping = removal.Housekeeping
	if g.Housekeeping != "" {
		g.DueAt = c.Now()
	}
	return c.move(g, access.GrantEnded, access.Event{Detail: map[string]string{
		"reason": string(g.EndReason), "verified_at": read.UTC().Format(time.RFC3339Nano), "verified_by": g.VerifiedBy, "kept_by": g.KeptBy,
		"sessions_ended": strconv.Itoa(g.SessionsEnded), "residual_until": momentOrNone(g.ResidualUntil),
	}, Personal: map[string]string{"housekeeping": removal.Housekeeping}})
}

// tidy removes what is left of an ended grant at the target, such as objects that its user made. None of it gives
// access, so it is tried with growing pauses of up to an hour.
func (e *Engine) tidy(ctx context.Context, conn *connector.Connector, g access.Grant) error {
	plan, err := e.openPlan(ctx, g.ID)
	if err != nil {
		return err
	}
	order, err := e.order(ctx, g, access.Request{})
	if err != nil {
		return err
	}
	left, err := conn.Tidy(ctx, order, plan)
	if err != nil {
		left = access.SafeMessage(err)
	}
	return lost(e.update(ctx, txTidied, func(c *change) error {
		g := g
		g.Lease, g.DueAt, g.Housekeeping = "", time.Time{}, left
		g.Failures++
		if left != "" {
			g.DueAt = c.Now().Add(min(time.Hour, backoff(g.Failures)*time.Duration(g.Failures)))
		}
		return c.save(&g)
	}))
}
