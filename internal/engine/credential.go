package engine

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// Credential hands a grant's credential to its principal, sealed to the recipient's key. The key that it is sealed to
// already may fetch the same bytes again; with another key the target issues a new one, and the old one stops working.
// Every fetch is in the audit log.
func (e *Engine) Credential(ctx context.Context, actor access.Principal, id access.GrantID, recipient []byte) (access.SealedCredential, error) {
	if err := secret.CheckRecipient(recipient); err != nil {
		return access.SealedCredential{}, access.Wrap(access.KindInvalid, nil, err.Error())
	}
	cred, found, err := e.fetch(ctx, actor, id, recipient)
	if err != nil || found {
		return cred, err
	}
	if err := e.reissue(ctx, actor, id, recipient); err != nil {
		return access.SealedCredential{}, err
	}
	cred, found, err = e.fetch(ctx, actor, id, recipient)
	if err == nil && !found {
		err = access.Errorf(access.KindConflict, "Another key fetched the credential of grant %s at the same moment; try again.", id)
	}
	return cred, err
}

// fetch reads the credential; found is false when none is sealed to this recipient.
func (e *Engine) fetch(ctx context.Context, actor access.Principal, id access.GrantID, recipient []byte) (access.SealedCredential, bool, error) {
	var cred access.SealedCredential
	var found bool
	err := e.update(ctx, txFetched, func(c *change) error {
		cred, found = access.SealedCredential{}, false
		g, err := c.mayOpen(actor, id)
		if err != nil {
			return err
		}
		stored, err := c.Credentials().Get(e.cfg.Tenant, id)
		if is(err, access.KindNotFound) {
			return nil
		}
		// One that another order followed may have stopped working, whatever became of that order.
		if err != nil || stored.Attempt != g.Attempt || subtle.ConstantTimeCompare(stored.Recipient, recipient) != 1 {
			return err
		}
		cred, found = stored, true
		return c.recordGrant(g, access.Event{
			Kind: access.EventCredentialFetched, Actor: actor.ID, Detail: map[string]string{"recipient": fingerprint(recipient)},
		})
	})
	if err != nil {
		return access.SealedCredential{}, false, err
	}
	return cred, found, nil
}

// mayOpen finds a grant whose credential the actor may have now. Nobody but its principal may, administrators included.
func (c *change) mayOpen(actor access.Principal, id access.GrantID) (access.Grant, error) {
	g, err := c.Grants().Get(c.engine.cfg.Tenant, id)
	if err != nil {
		return access.Grant{}, c.engine.unseen(actor, err, "grant", string(id))
	}
	if g.Principal != actor.ID {
		return access.Grant{}, c.notToOpen(actor, g)
	}
	switch {
	case !c.engine.issues(g.Entitlement.Connector):
		return access.Grant{}, access.Errorf(access.KindInvalid, "Grant %s needs no credential: use the log-in that you have at %s.", id, g.Entitlement.Connector)
	case g.State == access.GrantScheduled || g.State == access.GrantActivating:
		return access.Grant{}, access.Errorf(access.KindConflict, "Grant %s is still %s; try again when it is active.", id, g.State)
	case g.State != access.GrantActive || !c.Now().Before(g.Deadline):
		return access.Grant{}, access.Errorf(access.KindConflict, "Grant %s is over, and its credential with it.", id)
	}
	return g, c.refuseFrozen(g.Person, g.Entitlement)
}

// notToOpen says why somebody else than its principal does not get the credential of a grant.
func (c *change) notToOpen(actor access.Principal, g access.Grant) error {
	asked, err := c.engine.askedForGrant(c.Tx, actor, g)
	switch {
	case err != nil:
		return err
	case asked || c.engine.maySeeGrant(actor, g):
		return access.Errorf(access.KindDenied, "Only the principal of a grant can have its credential.")
	default:
		return access.Errorf(access.KindNotFound, "You have no grant %s.", g.ID)
	}
}

// refuseOutstanding is an error while an order of the grant may still be under way.
func (c *change) refuseOutstanding(g access.Grant) error {
	if over := g.ActBy.Add(lateMargin); !g.ActBy.IsZero() && c.Now().Before(over) {
		return access.Errorf(access.KindConflict, "An order of grant %s may still be under way; try again at %s.", g.ID, over.Format(time.RFC3339))
	}
	return nil
}

// reissue has the target issue a new credential, sealed to the recipient.
func (e *Engine) reissue(ctx context.Context, actor access.Principal, id access.GrantID, recipient []byte) error {
	var g access.Grant
	var r access.Request
	err := e.update(ctx, txReissue, func(c *change) error {
		found, err := c.mayOpen(actor, id)
		if err != nil {
			return err
		}
		if !found.ExtendTo.IsZero() {
			return access.Errorf(access.KindConflict, "Grant %s is being extended at this moment; try again.", id)
		}
		if err := c.refuseOutstanding(found); err != nil {
			return err
		}
		conn, err := e.connector(found.Entitlement.Connector)
		if err != nil {
			return err
		}
		found.Attempt++
		found.ActBy = c.Now().Add(conn.Timeout())
		if err := c.save(&found); err != nil {
			return err
		}
		g = found
		r, err = c.Requests().Get(e.cfg.Tenant, g.Request)
		return err
	})
	if err != nil {
		return err
	}
	return e.issue(ctx, g, r, recipient)
}

// issue carries out a committed order for a new credential, unless the access is not there: an order to grant would make
// again what somebody has removed at the target.
func (e *Engine) issue(ctx context.Context, g access.Grant, r access.Request, recipient []byte) error {
	conn, err := e.connector(g.Entitlement.Connector)
	if err != nil {
		return err
	}
	plan, err := e.openPlan(ctx, g.ID)
	if err != nil {
		return err
	}
	order, err := e.order(ctx, g, r)
	if err != nil {
		return err
	}
	order.ActBy, order.Recipient = g.ActBy, recipient
	presence, err := conn.Observe(ctx, order, plan)
	if err != nil {
		return err
	}
	switch presence.State() {
	case connector.Present:
	case connector.Absent:
		return access.Errorf(access.KindConflict, "The access of grant %s is not at the target any more, and is not made again; ask for it anew.", g.ID)
	default:
		return access.Errorf(access.KindUnavailable, "It cannot be read whether the access of grant %s is still at the target, so no credential is issued yet.", g.ID)
	}
	out, err := conn.Grant(ctx, order, plan)
	if err != nil {
		return err
	}
	err = e.update(ctx, txIssued, func(c *change) error {
		g := g
		g.ActBy = time.Time{}
		if err := c.keepOutcome(g, order, out); err != nil {
			return err
		}
		return c.save(&g)
	})
	if is(err, access.KindConflict) {
		return e.undoLate(ctx, g, order, plan)
	}
	return err
}

// undoLate takes back what an order brought about after the grant had been taken further.
func (e *Engine) undoLate(ctx context.Context, g access.Grant, order connector.Order, plan access.Plan) error {
	now, err := e.loadGrant(ctx, g.ID)
	if err != nil {
		return err
	}
	if now.State != access.GrantActive {
		conn, err := e.connector(g.Entitlement.Connector)
		if err != nil {
			return err
		}
		if err := e.undo(ctx, conn, order, plan, nil); err != nil {
			return err
		}
	}
	return access.Errorf(access.KindConflict, "Grant %s changed while its credential was issued; look at it and try again.", g.ID)
}

// fingerprint names a public key in the audit log.
func fingerprint(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}
