package engine

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// FreezeOrder says what to freeze; exactly one field is set.
type FreezeOrder struct {
	// Principal stands for its person: every account of theirs, and the services and agents that they own.
	Principal  access.PrincipalID
	Connector  access.ConnectorName
	Everything bool
}

// sweepLimit is how many grants one transaction of a sweep takes back.
const sweepLimit = 100

// Freeze forbids what the order names, durably, before anything is taken back: from the commit on nothing that it
// covers begins. What is live is then taken back by Sweep. What is frozen already stays as it is, and is returned.
func (e *Engine) Freeze(ctx context.Context, actor access.Principal, o FreezeOrder, reason string) (access.Freeze, error) {
	if !e.directory().HasRole(actor, access.RoleAdmin) {
		return access.Freeze{}, access.Errorf(access.KindDenied, "Only an administrator freezes access.")
	}
	if err := checkReason(reason); err != nil {
		return access.Freeze{}, err
	}
	wanted, err := e.resolveFreeze(ctx, o)
	if err != nil {
		return access.Freeze{}, err
	}
	wanted.ID = access.FreezeID(e.cfg.IDs.New(access.FreezePrefix))
	wanted.Tenant, wanted.Reason, wanted.By = e.cfg.Tenant, reason, actor.ID
	var frozen access.Freeze
	err = e.update(ctx, txFreeze, func(c *change) error {
		frozen = wanted
		if err := c.follow(&frozen, o.Principal); err != nil {
			return err
		}
		return c.freeze(&frozen)
	})
	if err != nil {
		return access.Freeze{}, err
	}
	return frozen, nil
}

// resolveFreeze finds what the order names.
func (e *Engine) resolveFreeze(ctx context.Context, o FreezeOrder) (access.Freeze, error) {
	switch {
	case o == FreezeOrder{Everything: true}:
		return access.Freeze{Scope: access.FreezeEverything}, nil
	case o.Connector != "" && o == FreezeOrder{Connector: o.Connector}:
		connectors := e.rules.Load().Connectors
		if _, ok := connectors[o.Connector]; !ok {
			return access.Freeze{}, notFound("connector", string(o.Connector), keys(connectors))
		}
		return access.Freeze{Scope: access.FreezeConnector, Value: string(o.Connector)}, nil
	case !o.Principal.IsZero() && o == FreezeOrder{Principal: o.Principal}:
		person, err := e.personOf(ctx, o.Principal)
		return access.Freeze{Scope: access.FreezePerson, Value: string(person)}, err
	}
	return access.Freeze{}, access.Errorf(access.KindInvalid, "Say what to take back: one principal, one connector, or everything.")
}

// follow has a freeze be of the person that an account of a source is of now, there or not: it may have been linked with another
// since it was looked up, or since its last grant.
func (c *change) follow(f *access.Freeze, id access.PrincipalID) error {
	p, err := c.Profiles().Get(f.Tenant, id)
	if err == nil {
		f.Value = string(p.Person)
	}
	return ignoreMissing(err)
}

// personOf finds the person behind a principal: in the directory, or, for one who has left it, in the books.
func (e *Engine) personOf(ctx context.Context, id access.PrincipalID) (access.PersonID, error) {
	p, err := e.directory().Principal(ctx, id)
	if !is(err, access.KindNotFound) {
		return p.Person, err
	}
	unknown := err
	var person access.PersonID
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		grants, _, err := tx.Grants().List(e.cfg.Tenant, store.GrantFilter{Principal: id}, store.Page{Limit: 1})
		if err == nil && len(grants) == 0 {
			return unknown
		}
		for _, g := range grants {
			person = g.Person
		}
		return err
	})
	return person, err
}

// freeze writes a freeze, unless there is one of the same already.
func (c *change) freeze(f *access.Freeze) error {
	person, conn := parts(*f)
	inForce, err := c.Freezes().Covering(f.Tenant, person, conn)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(inForce, func(other access.Freeze) bool { return other.Scope == f.Scope }); i >= 0 {
		*f = inForce[i]
		return nil
	}
	f.Since = c.Now()
	if err := c.Freezes().Insert(*f); err != nil {
		return err
	}
	c.wake = append(c.wake, freezesLane)
	return c.recordFreeze(*f, access.EventFreezeBegun, f.By, f.Reason)
}

// parts are the person and the connector of a freeze, of which at most one is set.
func parts(f access.Freeze) (person access.PersonID, conn access.ConnectorName) {
	switch f.Scope {
	case access.FreezePerson:
		return access.PersonID(f.Value), ""
	case access.FreezeConnector:
		return "", access.ConnectorName(f.Value)
	default:
		return "", ""
	}
}

func (c *change) recordFreeze(f access.Freeze, kind access.EventKind, actor access.PrincipalID, reason string) error {
	person, conn := parts(f)
	return c.record(access.Event{
		Kind: kind, Actor: actor, Person: person,
		Detail:   map[string]string{"freeze": string(f.ID), "scope": string(f.Scope), "connector": string(conn)},
		Personal: map[string]string{"reason": reason, "person": string(person)},
	})
}

// Freezes lists what is frozen, newest first.
func (e *Engine) Freezes(ctx context.Context, actor access.Principal, page store.Page) (items []access.Freeze, next string, err error) {
	if !e.seesAll(actor) {
		return nil, "", access.Errorf(access.KindDenied, "Only administrators and auditors see what is frozen.")
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		items, next, err = tx.Freezes().List(e.cfg.Tenant, page)
		return err
	})
	return items, next, err
}

// Unfreeze lifts a freeze. Any administrator may but one who is frozen: whoever stole an account does not free it. What
// was taken back stays taken back.
func (e *Engine) Unfreeze(ctx context.Context, actor access.Principal, id access.FreezeID, reason string) error {
	if !e.directory().HasRole(actor, access.RoleAdmin) {
		return access.Errorf(access.KindDenied, "Only an administrator lifts a freeze.")
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	return e.update(ctx, txUnfreeze, func(c *change) error {
		f, err := c.Freezes().Get(e.cfg.Tenant, id)
		if err != nil {
			return err
		}
		covering, err := c.Freezes().Covering(e.cfg.Tenant, actor.Person, "")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(covering, func(f access.Freeze) bool { return f.Scope == access.FreezePerson }) {
			return access.Errorf(access.KindDenied, "Your own access is frozen; another administrator must lift this.")
		}
		if err := c.Freezes().Delete(e.cfg.Tenant, id); err != nil {
			return err
		}
		return c.recordFreeze(f, access.EventFreezeLifted, actor.ID, reason)
	})
}

// Sweep carries out freezes: it takes back a bounded number of the grants that the oldest one which is not carried out
// covers, and reports whether there is more to do. A crash costs nothing, since how far it came is in the store. One
// pass suffices: what comes later, or was still on its way, is stopped when it begins.
func (e *Engine) Sweep(ctx context.Context) (more bool, err error) {
	var waiting []access.Freeze
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		waiting, err = tx.Freezes().Unswept(e.cfg.Tenant, 2)
		return err
	})
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	var swept bool
	err = e.update(ctx, txSweep, func(c *change) error {
		f, err := c.Freezes().Get(e.cfg.Tenant, waiting[0].ID)
		if err != nil {
			return err
		}
		swept, err = c.sweep(&f)
		return err
	})
	if is(err, access.KindNotFound) || is(err, access.KindConflict) {
		return true, nil // it was lifted, or a grant was taken further, at the same moment
	}
	return !swept || len(waiting) > 1, err
}

// sweep takes back one page of what the freeze covers.
func (c *change) sweep(f *access.Freeze) (done bool, err error) {
	person, conn := parts(*f)
	filter := store.GrantFilter{Person: person, Connector: conn, Unended: true}
	page := store.Page{After: f.SweepCursor, Limit: sweepLimit}
	grants, next, err := c.Grants().List(f.Tenant, filter, page)
	if err != nil {
		return false, err
	}
	for _, g := range grants {
		if g.State == access.GrantRevoking && !c.isAnnounced(g) {
			continue
		}
		if err := c.retire(&g, access.EndRevoked, frozenEvent(*f)); err != nil {
			return false, err
		}
		f.Revoked++
	}
	f.SweepCursor = next
	if next == "" {
		f.SweptAt = c.Now()
	}
	return next == "", c.Freezes().Update(*f)
}

// stopFrozen stops a claimed grant that is to begin or to be extended, if a freeze covers it; what may have been made is
// taken back under the same lease.
func (c *change) stopFrozen(g *access.Grant, now time.Time) (stopped bool, err error) {
	extends := g.State == access.GrantActive && now.Before(g.Deadline)
	if g.State != access.GrantScheduled && g.State != access.GrantActivating && !extends {
		return false, nil
	}
	f, err := c.freezeOn(g.Person, g.Entitlement.Connector)
	if err != nil || f == nil {
		return false, err
	}
	if g.State == access.GrantScheduled {
		return true, c.end(g, access.EndRevoked, frozenEvent(*f))
	}
	g.EndReason = access.EndRevoked
	return true, c.beginRevoking(g, frozenEvent(*f))
}

// frozenEvent says of a grant that a freeze ended it.
func frozenEvent(f access.Freeze) access.Event {
	return access.Event{Actor: f.By, Detail: map[string]string{"freeze": string(f.ID)}}
}

// freezeOn finds a freeze that covers the person or the connector; nil when there is none.
func (c *change) freezeOn(person access.PersonID, conn access.ConnectorName) (*access.Freeze, error) {
	covering, err := c.Freezes().Covering(c.engine.cfg.Tenant, person, conn)
	if err != nil || len(covering) == 0 {
		return nil, err
	}
	return &covering[0], nil
}

// refuseFrozen is an error while a freeze covers the person, or one of the entitlements.
func (c *change) refuseFrozen(person access.PersonID, entitlements ...access.Entitlement) error {
	names := []access.ConnectorName{""}
	for _, ent := range entitlements {
		names = append(names, ent.Connector)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		f, err := c.freezeOn(person, name)
		switch {
		case err != nil:
			return err
		case f == nil:
		case f.Scope == access.FreezeConnector:
			return access.Errorf(access.KindDenied, "Access through the connector %s is frozen until an administrator lifts that.", name)
		case f.Scope == access.FreezePerson:
			return access.Errorf(access.KindDenied, "The access of this person is frozen until an administrator lifts that.")
		default:
			return access.Errorf(access.KindDenied, "All access is frozen until an administrator lifts that.")
		}
	}
	return nil
}
