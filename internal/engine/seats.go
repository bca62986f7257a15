package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// reviewer is somebody with the seats of others that they may take now.
type reviewer struct {
	access.Principal
	seats []seat
}

// seat is where somebody would stand who is absent.
type seat struct {
	delegation access.Delegation
	absent     access.Principal
}

// delegatedTo reads the delegations to a person that are in force.
func (e *Engine) delegatedTo(tx store.Tx, p access.Principal) ([]access.Delegation, error) {
	if p.Kind != access.Human || p.Person == "" {
		return nil, nil
	}
	filter := store.DelegationFilter{Delegate: p.Person, Standing: tx.Now()}
	var all []access.Delegation
	for page := (store.Page{Limit: store.MaxRequests}); ; {
		items, next, err := tx.Delegations().List(e.cfg.Tenant, filter, page)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(items, func(d access.Delegation) bool { return !d.Holds(tx.Now()) })...)
		if page.After = next; next == "" {
			slices.Reverse(all) // oldest first, so that which one is taken does not change
			return all, nil
		}
	}
}

// reviewer is the actor with the seats that they may take now.
func (e *Engine) reviewer(ctx context.Context, actor access.Principal) (reviewer, error) {
	var delegations []access.Delegation
	err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		delegations, err = e.delegatedTo(tx, actor)
		return err
	})
	if err != nil {
		return reviewer{}, err
	}
	return e.seated(ctx, actor, delegations)
}

// seated finds who is absent; whoever has left, or is another person by now, has no seat.
func (e *Engine) seated(ctx context.Context, p access.Principal, delegations []access.Delegation) (reviewer, error) {
	rv := reviewer{Principal: p}
	for _, d := range delegations {
		absent, err := e.directory().Principal(ctx, d.Absent)
		if err != nil && !is(err, access.KindNotFound) {
			return rv, err
		}
		if err == nil && absent.Person == d.AbsentPerson {
			rv.seats = append(rv.seats, seat{d, absent})
		}
	}
	return rv, nil
}

// fitsAny reports whether the reviewer stands in one of the stages, as themselves or in another's stead.
func (rv reviewer) fitsAny(stages []policy.OpenStage, parties policy.Parties) bool {
	return slices.ContainsFunc(stages, func(s policy.OpenStage) bool {
		return policy.Fits(s, rv.Principal, parties) || slices.ContainsFunc(rv.seats, func(one seat) bool {
			return policy.FitsInStead(s, rv.Principal, one.absent, parties)
		})
	})
}

// seatIn is the seat that the reviewer takes: the first that lets them stand in a stage in which they do not stand
// themselves.
func (rv reviewer) seatIn(stages []policy.OpenStage, parties policy.Parties) (seat, bool) {
	for _, one := range rv.seats {
		if slices.ContainsFunc(stages, func(s policy.OpenStage) bool {
			return !policy.Fits(s, rv.Principal, parties) && policy.FitsInStead(s, rv.Principal, one.absent, parties)
		}) {
			return one, true
		}
	}
	return seat{}, false
}

// takeSeat has a review say in whose stead it is given, if it is. The delegation and who is absent are looked at once more,
// since it may have ended meanwhile, and they may have left.
func (c *change) takeSeat(rv *access.Review, one seat, now time.Time) error {
	d, err := c.Delegations().Get(c.engine.cfg.Tenant, one.delegation.ID)
	if err != nil {
		return err
	}
	if !d.Holds(now) {
		return access.Errorf(access.KindDenied, "You do not review in the stead of %s any more: the delegation is over.", d.Absent)
	}
	if err := c.refuseChanged(one.absent); err != nil {
		return err
	}
	if err := c.refuseFrozen(d.AbsentPerson); err != nil && rv.Verdict == access.Approve {
		return err
	}
	rv.Delegation, rv.InSteadOf = d.ID, d.Absent
	return nil
}

// inStead adds to a review who is absent, and by what it is given in their stead. Where either is gone it adds nothing.
func (e *Engine) inStead(ctx context.Context, r *policy.Reviewed) error {
	if r.Review.Delegation == "" {
		return nil
	}
	absent, err := e.directory().Principal(ctx, r.Review.InSteadOf)
	if is(err, access.KindNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Absent = absent
	return e.cfg.Store.View(ctx, func(tx store.Tx) error {
		d, err := e.delegationOf(tx, r.Review)
		r.Delegation = d
		return ignoreMissing(err)
	})
}

// delegationOf reads the delegation by which a review was given in another's stead.
func (e *Engine) delegationOf(tx store.Tx, rv access.Review) (access.Delegation, error) {
	d, err := tx.Delegations().Get(e.cfg.Tenant, rv.Delegation)
	if planted.Active(planted.DelegationOutlived) {
		d.Until, d.EndedAt = tx.Now().Add(time.Hour), time.Time{}
	}
	return d, err
}

// refuseUnreviewed is errStale when the reviews that a decision was held against do not suffice at this moment: since then a
// delegation is over, or of somebody who agreed, or in whose stead that was, a source of identities tells something else.
func (c *change) refuseUnreviewed(r access.Request, v ruling) error {
	reviewed := slices.Clone(v.reviewed)
	for i := range reviewed {
		one := &reviewed[i]
		if err := errors.Join(c.refuseChanged(one.Reviewer), c.refuseChanged(one.Absent)); err != nil {
			return err
		}
		if one.Delegation.ID == "" {
			continue
		}
		d, err := c.engine.delegationOf(c, one.Review)
		if err != nil {
			return err
		}
		one.Delegation = d
	}
	if !v.tally(r, reviewed, c.Now()).Approved {
		return errStale
	}
	return nil
}
