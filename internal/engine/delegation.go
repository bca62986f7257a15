package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// DelegationOrder says who shall review in the actor's stead.
type DelegationOrder struct {
	To access.PrincipalID
	// From of zero means now.
	From, Until time.Time
	Reason      string
}

// Delegate has another human review in the actor's stead for some time. It begins at the order's beginning by itself, and
// ends at its end.
func (e *Engine) Delegate(ctx context.Context, actor access.Principal, o DelegationOrder) (access.Delegation, error) {
	if actor.Kind != access.Human || actor.Person == "" {
		return access.Delegation{}, access.Errorf(access.KindDenied, "Only humans review, and so only they have somebody review in their stead.")
	}
	if o.Reason == "" || len(o.Reason) > access.MaxReason || !text(o.Reason) {
		return access.Delegation{}, access.Errorf(access.KindInvalid, "A delegation needs a reason of at most %d bytes of UTF-8 text, as in --reason \"on leave\".", access.MaxReason)
	}
	to, err := e.directory().Principal(ctx, o.To)
	switch {
	case is(err, access.KindNotFound):
		return access.Delegation{}, access.Errorf(access.KindInvalid, "There is nobody called %.128q to review in your stead.", o.To)
	case err != nil:
		return access.Delegation{}, err
	case to.Kind != access.Human || to.Person == "":
		return access.Delegation{}, access.Errorf(access.KindInvalid, "Only humans review: name a human to review in your stead.")
	case to.Person == actor.Person:
		return access.Delegation{}, access.Errorf(access.KindInvalid, "This is you, under whatever account: name another person to review in your stead.")
	}
	wanted := access.Delegation{
		ID: access.DelegationID(e.cfg.IDs.New(access.DelegationPrefix)), Tenant: e.cfg.Tenant, Absent: actor.ID, AbsentPerson: actor.Person,
		Delegate: to.ID, DelegatePerson: to.Person, From: o.From, Until: o.Until, Reason: o.Reason,
	}
	var kept access.Delegation
	err = e.update(ctx, txDelegate, func(c *change) error {
		kept = wanted
		return c.delegate(&kept)
	})
	if err != nil {
		return access.Delegation{}, err
	}
	return kept, nil
}

func (c *change) delegate(d *access.Delegation) error {
	if err := c.refuseFrozen(d.AbsentPerson); err != nil {
		return err
	}
	d.CreatedAt = c.Now()
	if d.From.IsZero() {
		d.From = c.Now()
	}
	switch {
	case d.From.Before(c.Now()):
		return access.Errorf(access.KindInvalid, "The beginning has passed; leave --from out, and it begins now.")
	case d.From.After(c.Now().Add(access.MaxAhead)):
		return access.Errorf(access.KindInvalid, "A delegation begins at most %d days ahead.", int(access.MaxAhead.Hours()/24))
	case !d.Until.After(d.From):
		return access.Errorf(access.KindInvalid, "A delegation ends after it begins: say until when with --until.")
	case d.Until.Sub(d.From) > access.MaxDelegation:
		return access.Errorf(access.KindInvalid, "A delegation lasts at most %d days; make another when it is over.", int(access.MaxDelegation.Hours()/24))
	}
	filter := store.DelegationFilter{Absent: d.AbsentPerson, Standing: c.Now()}
	standing, _, err := c.Delegations().List(d.Tenant, filter, store.Page{Limit: access.MaxDelegations})
	if err != nil {
		return err
	}
	if len(standing) >= access.MaxDelegations {
		return access.Errorf(access.KindExhausted, "You have %d delegations already; end what you do not need.", len(standing))
	}
	if err := c.Delegations().Insert(*d); err != nil {
		return err
	}
	return c.recordDelegation(*d, access.EventDelegationBegun, d.Absent, d.Reason)
}

// recordDelegation enters what became of a delegation. It is about the one who is absent.
func (c *change) recordDelegation(d access.Delegation, kind access.EventKind, actor access.PrincipalID, reason string) error {
	return c.record(access.Event{
		Kind: kind, Actor: actor, Subject: d.Absent, Person: d.AbsentPerson,
		Detail: map[string]string{
			"delegation": string(d.ID), "from": d.From.Format(time.RFC3339Nano), "until": d.Until.Format(time.RFC3339Nano),
		},
		Personal: map[string]string{"delegate": d.Delegate.String(), "reason": reason},
	})
}

// EndDelegation ends a delegation early. Who is absent may, who reviews in their stead, and an administrator. One that is
// over already stays as it is.
func (e *Engine) EndDelegation(ctx context.Context, actor access.Principal, id access.DelegationID) (access.Delegation, error) {
	var left access.Delegation
	err := e.update(ctx, txUndelegate, func(c *change) error {
		d, err := c.Delegations().Get(e.cfg.Tenant, id)
		if err != nil {
			return e.unseen(actor, err, "delegation", string(id))
		}
		party := actor.Kind == access.Human && (actor.Person == d.AbsentPerson || actor.Person == d.DelegatePerson)
		switch {
		case !party && !e.seesAll(actor):
			return access.Errorf(access.KindNotFound, "You have no delegation %s.", id)
		case !party && !e.directory().HasRole(actor, access.RoleAdmin):
			return access.Errorf(access.KindDenied, "Only who is absent, who reviews in their stead, and an administrator end a delegation.")
		}
		left = d
		return c.endDelegation(&left, actor.ID)
	})
	if err != nil {
		return access.Delegation{}, err
	}
	return left, nil
}

func (c *change) endDelegation(d *access.Delegation, by access.PrincipalID) error {
	if !d.Stands(c.Now()) {
		return nil
	}
	d.EndedAt, d.EndedBy = c.Now(), by
	if err := c.Delegations().End(*d); err != nil {
		return err
	}
	return c.recordDelegation(*d, access.EventDelegationEnded, by, "")
}

// Delegations lists delegations, newest first: those that the actor made, or with received set those to them, or with All
// everybody's, over or not.
func (e *Engine) Delegations(ctx context.Context, actor access.Principal, scope DelegationScope, page store.Page) (items []access.Delegation, next string, err error) {
	filter := store.DelegationFilter{}
	switch scope {
	case DelegationsMade:
		filter.Absent = actor.Person
	case DelegationsReceived:
		filter.Delegate = actor.Person
	case DelegationsAll:
		if !e.seesAll(actor) {
			return nil, "", access.Errorf(access.KindDenied, "Only administrators and auditors list everybody's delegations.")
		}
	}
	if scope != DelegationsAll && (actor.Kind != access.Human || actor.Person == "") {
		return nil, "", nil // an agent has its human's person, and not what that human was given
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		items, next, err = tx.Delegations().List(e.cfg.Tenant, filter, page)
		return err
	})
	return items, next, err
}

// DelegationScope selects whose delegations a list shows.
type DelegationScope uint8

// The scopes of lists of delegations.
const (
	DelegationsMade DelegationScope = iota
	DelegationsReceived
	DelegationsAll
)

// endOrphaned ends the delegations of those, and to those, who have left the directory or are other persons by now. Whatever
// becomes of it, they count no more: this says so in the books.
func (e *Engine) endOrphaned(ctx context.Context, of store.DelegationFilter) error {
	for page := (store.Page{Limit: reconsiderLimit}); ; {
		var items []access.Delegation
		err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
			of.Standing = tx.Now()
			items, page.After, err = tx.Delegations().List(e.cfg.Tenant, of, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range items {
			if err := e.endIfOrphaned(ctx, d); err != nil {
				return err
			}
		}
		if page.After == "" {
			return nil
		}
	}
}

func (e *Engine) endIfOrphaned(ctx context.Context, d access.Delegation) error {
	for id, person := range map[access.PrincipalID]access.PersonID{d.Absent: d.AbsentPerson, d.Delegate: d.DelegatePerson} {
		p, err := e.directory().Principal(ctx, id)
		if err != nil && !is(err, access.KindNotFound) {
			return err
		}
		if err == nil && p.Person == person && p.Kind == access.Human {
			continue
		}
		return lost(e.update(ctx, txUndelegate, func(c *change) error {
			now, err := c.Delegations().Get(d.Tenant, d.ID)
			if err != nil {
				return err
			}
			return c.endDelegation(&now, access.PrincipalID{})
		}))
	}
	return nil
}
