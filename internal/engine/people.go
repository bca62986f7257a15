package engine

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// peopleLimit is how many persons of whom something changed one step looks at.
const peopleLimit = 2000

// Change runs fn in a transaction for those who keep what is no request and no grant: who somebody is, and who has signed in.
// What fn enters into the audit log commits with what it writes. Like store.Store.Update, it may run fn more than once. If a
// profile has come to be undecided, what its person has is decided again at once.
func (e *Engine) Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error {
	return e.update(ctx, name, func(c *change) error {
		c.wake = append(c.wake, peopleLane)
		return fn(c.Tx, c.record)
	})
}

// refuseChanged is errStale when a source of identities tells something else of the principal than what was decided by.
// Principals of the configuration change with the rules alone.
func (c *change) refuseChanged(p access.Principal) error {
	if p.ID.IsZero() || p.ID.Issuer == access.StaticIssuer {
		return nil
	}
	now, err := c.Profiles().Get(c.engine.cfg.Tenant, p.ID)
	if is(err, access.KindNotFound) {
		return errStale
	}
	if err == nil && (!now.GoneAt.IsZero() || !now.Equal(p)) {
		return errStale
	}
	return err
}

// ReconsiderPeople decides again what a person has of whom something changed: a bounded number of persons, the one who waits
// longest first. What they would not be given any more is taken back, and requests of theirs that wait are denied. more says
// to call it again at once. What cannot be decided stays, and comes up again.
//
// Nobody waits behind one who cannot be decided, unless there are thousands of those.
func (e *Engine) ReconsiderPeople(ctx context.Context) (more bool, err error) {
	var undecided []access.Profile
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		undecided, err = tx.Profiles().Undecided(e.cfg.Tenant, peopleLimit)
		return err
	})
	if err != nil {
		return false, err
	}
	waiting := 0
	for _, p := range undecided {
		if err := e.reconsiderPerson(ctx, p); err != nil {
			waiting++
			e.cfg.Log.WarnContext(ctx, "what a person has cannot be decided again yet", "profile", p.ProfileID, "error", err)
		}
	}
	return waiting < len(undecided), ctx.Err()
}

// reconsiderPerson decides again what one principal has, and those who belong to its person: an agent is never wider than
// its human; and what lives on their word, or on one that was given in their stead, and what they asked for in another's name.
func (e *Engine) reconsiderPerson(ctx context.Context, p access.Profile) error {
	grants := []store.GrantFilter{{Principal: p.ID}, {Person: p.Person}, {AskedBy: p.ID}, {InSteadOf: p.ID}}
	var delegations []store.DelegationFilter
	// Reviews and delegations keep the person by whom they were given, whatever the principal was linked with since.
	for _, person := range append(slices.Clone(p.Formerly), p.Person) {
		grants = append(grants, store.GrantFilter{Reviewer: person})
		delegations = append(delegations, store.DelegationFilter{Absent: person}, store.DelegationFilter{Delegate: person})
	}
	for _, of := range grants {
		if err := e.reconsiderGrants(ctx, of); err != nil {
			return err
		}
	}
	for _, of := range []store.RequestFilter{{Principal: p.ID}, {Person: p.Person}, {AskedBy: p.ID}} {
		if err := e.reconsiderRequests(ctx, of); err != nil {
			return err
		}
	}
	for _, of := range delegations {
		if err := e.endOrphaned(ctx, of); err != nil {
			return err
		}
	}
	return lost(e.update(ctx, txDecided, func(c *change) error {
		now, err := c.Profiles().Get(e.cfg.Tenant, p.ID)
		if err != nil || now.Version != p.Version {
			return ignoreMissing(err) // it changed again, and is decided again
		}
		now.UndecidedSince = time.Time{}
		return c.Profiles().Put(now)
	}))
}

func (e *Engine) reconsiderGrants(ctx context.Context, of store.GrantFilter) error {
	onTheirWord := of.Reviewer != "" || !of.InSteadOf.IsZero()
	if planted.Active(planted.LeaverKeeps) && !onTheirWord || planted.Active(planted.WordOutlived) && onTheirWord {
		return nil
	}
	of.Unended = true
	page := store.Page{Limit: reconsiderLimit}
	for {
		var grants []access.Grant
		var next string
		err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
			grants, next, err = tx.Grants().List(e.cfg.Tenant, of, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, g := range grants {
			if g.State == access.GrantRevoking {
				continue
			}
			if err := e.reconsider(ctx, g); err != nil {
				return err
			}
		}
		if page.After = next; next == "" {
			return nil
		}
	}
}

// reconsiderRequests denies the requests that wait in vain.
func (e *Engine) reconsiderRequests(ctx context.Context, of store.RequestFilter) error {
	of.State = access.RequestPending
	page := store.Page{Limit: reconsiderLimit}
	for {
		var pending []access.Request
		var next string
		err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
			pending, next, err = tx.Requests().List(e.cfg.Tenant, of, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range pending {
			if err := e.reconsiderRequest(ctx, r); err != nil {
				return err
			}
		}
		if page.After = next; next == "" {
			return nil
		}
	}
}

func (e *Engine) reconsiderRequest(ctx context.Context, r access.Request) error {
	v, err := e.decideAgain(ctx, r)
	if is(err, access.KindNotFound) {
		return nil // what it is for is not there now; whoever reviews it is told
	}
	if err != nil || v.d.Verdict != policy.VerdictDenied {
		return err
	}
	return lost(e.update(ctx, txDecided, func(c *change) error {
		if err := c.refuseStale(v); err != nil {
			return err
		}
		now, err := c.Requests().Get(e.cfg.Tenant, r.ID)
		if err != nil || now.State.Settled() {
			return err
		}
		return c.settleRequest(&now, access.RequestDenied, access.Event{Personal: map[string]string{"why": v.d.Why}})
	}))
}
