package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// Rights that several grants may hold (connector.Traits.Shared) are made and taken away in turns: a right is there if and
// only if a live grant, or standing access, holds it. Who has the turn at a right is the only one to give orders about it,
// and to begin or end to hold it, so that what the books say of it stays true meanwhile. What a turn leaves behind when
// its order was cut short is waited for: see endTurn.

const (
	// turnPause is the shortest wait for another grant's turn to end. The wait grows with the age of that turn.
	turnPause = 20 * time.Millisecond
	// turnPauseLimit is the longest.
	turnPauseLimit = 2 * time.Second
)

// turn is the time in which one grant alone works on the rights of its plan. The nil turn is that of a grant whose
// object is its own, and needs none.
type turn struct {
	// holder has the turn: the grant, which continues an earlier turn of its own, or a comparison, which continues none.
	holder string
	grant  access.GrantID
	// markGeneration is that of the grant.
	markGeneration int
	rights         []heldRight
	// actBy is when its orders must have taken effect; the turn ends a margin later.
	actBy time.Time
	// unsettled means that an order to remove was given and its effect was not read back: it may arrive until the turn ends.
	unsettled bool
}

// heldRight is a right as the books have it during a turn.
type heldRight struct {
	store.Atom
	// others are the other grants that hold it and have not ended.
	others []access.Grant
	// continued: the grant had this turn already, perhaps with an order that may still arrive.
	continued bool
}

// errNotYourTurn says that another grant works on one of the rights, and when to ask again.
type errNotYourTurn struct{ again time.Time }

// Error implements error.
func (errNotYourTurn) Error() string { return "another grant works on the same right" }

// turnOf is a turn of a claimed grant. Its orders act while the claim lasts.
func turnOf(g access.Grant) turn {
	return turn{holder: string(g.ID), grant: g.ID, markGeneration: g.MarkGeneration, actBy: g.DueAt}
}

// beginTurn takes the turn at every right, or at none.
func (e *Engine) beginTurn(ctx context.Context, conn *connector.Connector, as turn, atoms []access.Atom) (*turn, error) {
	if !conn.Type().Traits.Shared() {
		return nil, nil
	}
	lane := store.Lane{Tenant: e.cfg.Tenant, Connector: conn.Name()}
	var t *turn
	err := e.update(ctx, txTurn, func(c *change) error {
		taken := as
		t = &taken
		for _, a := range atoms {
			r, err := c.takeRight(lane, a, as)
			if err != nil {
				return err
			}
			t.rights = append(t.rights, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, e.forgetMakers(ctx, t)
}

// forgetMakers takes marks that no key verifies any more for what they are by now: nobody's.
func (e *Engine) forgetMakers(ctx context.Context, t *turn) error {
	for i := range t.rights {
		r := &t.rights[i]
		if r.Maker == "" {
			continue
		}
		kept, err := e.keeps(ctx, r.MarkGeneration)
		if err != nil {
			return err
		}
		if !kept {
			r.Maker, r.MarkGeneration = "", 0
		}
	}
	return nil
}

func (c *change) takeRight(lane store.Lane, a access.Atom, as turn) (heldRight, error) {
	atom, answer, err := c.Atoms().Lease(lane, a, as.holder, as.actBy.Add(lateMargin))
	if err != nil {
		return heldRight{}, err
	}
	if answer == store.TurnRefused {
		// A turn that has just begun will soon be over; one that is old most likely waits for its end.
		age := c.Now().Sub(atom.LeasedAt)
		return heldRight{}, errNotYourTurn{again: earliest(c.Now().Add(min(max(age, turnPause), turnPauseLimit)), atom.LeaseEnd)}
	}
	holders, err := c.Atoms().Holders(lane, a)
	if err != nil {
		return heldRight{}, err
	}
	return heldRight{
		Atom:      atom,
		others:    slices.DeleteFunc(holders, func(h access.Grant) bool { return h.ID == as.grant }),
		continued: answer == store.TurnContinued,
	}, nil
}

// endTurn lets the next one work on the rights, unless an order to remove them, of this turn or of one that it continues,
// may still arrive: then the turn lasts to its end, so that it cannot undo what the next one does.
func (e *Engine) endTurn(ctx context.Context, t *turn) {
	if t == nil || t.unsettled {
		return
	}
	err := e.update(context.WithoutCancel(ctx), txTurnEnd, func(c *change) error {
		for _, r := range t.rights {
			if r.continued {
				continue
			}
			if err := c.Atoms().Release(r.Atom); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		e.cfg.Log.WarnContext(ctx, "a turn could not be ended and will end by itself", "grant", t.grant, "error", err)
	}
}

// settle commits what the turn has learnt about its rights, in the transaction of the grant; it fails when the turn is
// over, and with it everything in that transaction.
func (c *change) settle(t *turn) error {
	if t == nil {
		return nil
	}
	for _, r := range t.rights {
		if err := c.Atoms().Settle(r.Atom); err != nil {
			return err
		}
	}
	return nil
}

// hold makes the grant a holder of the turn's rights, in the transaction that commits its plan.
func (c *change) hold(g access.Grant, t *turn) error {
	if t == nil {
		return nil
	}
	if err := c.settle(t); err != nil {
		return err
	}
	var atoms []access.Atom
	for _, r := range t.rights {
		atoms = append(atoms, r.Atom.Atom)
	}
	return c.Atoms().Hold(store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector}, g.ID, atoms)
}

// retry puts back a grant whose attempt did not come about: because it was not its turn, soon and without a word;
// otherwise as a failure.
func (e *Engine) retry(ctx context.Context, g access.Grant, cause error) error {
	busy, ok := errors.AsType[errNotYourTurn](cause)
	if !ok {
		return e.fail(ctx, g, cause)
	}
	return lost(e.update(ctx, txWaited, func(c *change) error {
		g := g
		again := busy.again
		if g.State == access.GrantActive {
			again = earliest(again, g.Deadline) // an extension waits for its turn, and its end for nothing
		}
		c.dueAt(&g, again)
		return c.save(&g)
	}))
}
