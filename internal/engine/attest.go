package engine

import (
	"context"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// attestFailures is how often in a row taking back must have failed before anybody may attest: some five minutes.
const attestFailures = 10

// Attest records an administrator's word that the target of a grant no longer exists. The second one, of another person,
// ends the grant as attested, which is never verified. It is for grants that cannot be taken back: in revoking, and
// overdue or failing for some time. Nobody attests to what is their own. The count is how many have attested.
func (e *Engine) Attest(ctx context.Context, actor access.Principal, id access.GrantID, reason string) (g access.Grant, count int, err error) {
	if err := checkReason(reason); err != nil {
		return access.Grant{}, 0, err
	}
	seen, err := e.Grant(ctx, actor, id)
	if err != nil {
		return access.Grant{}, 0, err
	}
	switch {
	case !e.directory().HasRole(actor, access.RoleAdmin):
		return access.Grant{}, 0, access.Errorf(access.KindDenied, "Only an administrator attests that a target no longer exists.")
	case actor.Person == seen.Person:
		return access.Grant{}, 0, access.Errorf(access.KindDenied, "Nobody attests to their own grant, under any of their accounts.")
	}
	var n int
	err = e.update(ctx, txAttest, func(c *change) error {
		g, err := c.Grants().Get(e.cfg.Tenant, id)
		if err != nil {
			return err
		}
		n, err = c.attest(&g, actor, reason)
		return err
	})
	if err != nil {
		return access.Grant{}, 0, err
	}
	g, err = e.loadGrant(ctx, id)
	return g, n, err
}

func (c *change) attest(g *access.Grant, actor access.Principal, reason string) (count int, err error) {
	if g.State != access.GrantRevoking || (!g.Overdue(c.Now()) && g.Failures < attestFailures) {
		return 0, access.Errorf(access.KindConflict, "Grant %s is %s; only one that cannot be taken back for some time can be attested.", g.ID, g.State)
	}
	err = c.Attestations().Insert(access.Attestation{
		Tenant: g.Tenant, Grant: g.ID, By: actor.ID, Person: actor.Person, Reason: reason, At: c.Now(),
	})
	if err != nil {
		return 0, err
	}
	given, err := c.Attestations().List(g.Tenant, g.ID)
	if err != nil {
		return 0, err
	}
	ev := access.Event{
		Kind: access.EventGrantAttested, Actor: actor.ID, Detail: map[string]string{"attestations": strconv.Itoa(len(given))},
		Personal: map[string]string{"reason": reason},
	}
	if err := c.recordGrant(*g, ev); err != nil {
		return 0, err
	}
	if len(given) < access.AttestationsNeeded {
		// The version moves on, so that of two who attest at the same moment one sees the other.
		return len(given), c.save(g)
	}
	g.ActBy, g.ExtendTo = time.Time{}, time.Time{}
	return len(given), c.end(g, access.EndAttested, access.Event{Actor: actor.ID})
}
