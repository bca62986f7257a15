package passkey

import (
	"context"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Invite lets a human register a first passkey, once, with the code that it returns. An administrator alone cannot use it: it is
// good only for who is signed in as that human.
func (k *Keeper) Invite(ctx context.Context, by access.Principal, whom access.PrincipalID) (code string, until time.Time, err error) {
	d := k.config.Directory()
	if !d.HasRole(by, access.RoleAdmin) {
		return "", until, access.Errorf(access.KindDenied, "Only an administrator invites somebody to register a passkey.")
	}
	if err := k.named(); err != nil {
		return "", until, err
	}
	p, err := d.Principal(ctx, whom)
	switch {
	case err != nil:
		return "", until, err
	case p.Kind != access.Human:
		return "", until, access.Errorf(access.KindDenied, "Only humans have passkeys.")
	case p.Person == by.Person:
		return "", until, access.Errorf(access.KindDenied, "Nobody invites themselves: another administrator must do it.")
	}
	c, code, err := k.keep(ctx, p, state{Purpose: invite}, invitationLifetime, func(_ store.Tx, enter func(access.Event) error) error {
		return enter(access.Event{Kind: access.EventPasskeyInvited, Actor: by.ID, Subject: p.ID, Person: p.Person})
	})
	return code, c.Until, err
}

// acceptInvitation uses an invitation up.
func (k *Keeper) acceptInvitation(by access.Principal, code string) with {
	return func(tx store.Tx, _ func(access.Event) error) error {
		wrong := access.Errorf(access.KindDenied, "This invitation is not for you, was used, or is too old; ask an administrator for another.")
		c, err := tx.Ceremonies().ByLink(k.config.Tenant, store.HashSecret(code))
		if access.KindOf(err) == access.KindNotFound {
			return wrong
		}
		if err != nil {
			return err
		}
		var s state
		if err := json.Unmarshal(c.State, &s); err != nil {
			return err
		}
		if s.Purpose != invite || c.Principal != by.ID || !c.DoneAt.IsZero() || !tx.Now().Before(c.Until) {
			return wrong
		}
		c.DoneAt = tx.Now()
		return tx.Ceremonies().Update(c)
	}
}
