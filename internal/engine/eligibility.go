package engine

import (
	"context"
	"sync"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// reconsiderLimit is how many grants one call of Reconsider looks at.
const reconsiderLimit = 50

// reconsidering is how far the grants have been decided again. A process that starts begins anew, because its
// configuration may have changed while none ran, unless it knows better (TrustDecided).
type reconsidering struct {
	mu sync.Mutex
	// noting says that the end of a round is noted in the store.
	noting bool
	// round grows with each beginning, so that a page of an earlier one does not count.
	round   int
	pending bool
	cursor  string
	// undecided says that a grant of this round could not be decided.
	undecided bool
}

func (r *reconsidering) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	r.pending, r.cursor, r.undecided = true, "", false
}

// trust has the ends of rounds noted. decided says that there is nothing to decide until the next beginning.
func (r *reconsidering) trust(decided bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noting = true
	if decided {
		r.pending = false
	}
}

// halt ends the round under way without its having come to its end, and reports whether ends of rounds are noted.
func (r *reconsidering) halt() (noting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	r.pending = false
	return r.noting
}

// notable reports whether the round is still the last one, and its end is noted.
func (r *reconsidering) notable(round int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noting && r.round == round
}

func (r *reconsidering) place() (round int, cursor string, pending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.round, r.cursor, r.pending
}

// passed notes that a page was looked at, and reports whether the round goes on at once, and whether every grant was
// decided in it. When it is over, and something could not be decided, another one follows later.
func (r *reconsidering) passed(round int, next string, undecided bool) (more, decided bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.round != round {
		return true, false
	}
	r.cursor, r.undecided = next, r.undecided || undecided
	if next != "" {
		return true, false
	}
	r.pending, r.undecided = r.undecided, false
	return false, !r.pending
}

// Reconsider decides a bounded number of unended grants again, with what is true now, and takes back those that would
// not be given any more: their principal is gone, left a group, or the policies changed. It does something after a start
// (but see TrustDecided) and after each Reload, until every grant was decided; more says to call it again at once. What cannot be decided, for
// want of an answer, stays, and is decided again at a later call.
func (e *Engine) Reconsider(ctx context.Context) (more bool, err error) {
	round, cursor, pending := e.reconsidering.place()
	if !pending {
		return false, nil
	}
	if cursor == "" {
		if err := e.endOrphaned(ctx, store.DelegationFilter{}); err != nil {
			e.cfg.Log.WarnContext(ctx, "it cannot be told whose delegations are over; they count only while both are known", "error", err)
		}
	}
	var grants []access.Grant
	var next string
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		page := store.Page{After: cursor, Limit: reconsiderLimit}
		grants, next, err = tx.Grants().List(e.cfg.Tenant, store.GrantFilter{Unended: true}, page)
		return err
	})
	if err != nil {
		return false, err
	}
	undecided := false
	for _, g := range grants {
		if g.State == access.GrantRevoking {
			continue
		}
		if err := e.reconsider(ctx, g); err != nil {
			undecided = true
			e.cfg.Log.WarnContext(ctx, "a grant cannot be decided again", "grant", g.ID, "entitlement", g.Entitlement.String(), "error", err)
		}
	}
	more, decided := e.reconsidering.passed(round, next, undecided)
	if decided && e.reconsidering.notable(round) {
		err = e.noteDecided(ctx, round)
	}
	return more, err
}

// reconsider decides one grant again, and takes it back when it would not be given any more.
func (e *Engine) reconsider(ctx context.Context, g access.Grant) error {
	r, err := e.load(ctx, g.Request)
	if err != nil {
		return err
	}
	v, why, err := e.stillEligible(ctx, r, !g.ActivatedAt.IsZero())
	if err != nil {
		return err
	}
	if why == "" {
		why = anotherAccount(g, v)
	}
	if why == "" {
		if v, why, err = e.stillLasting(ctx, r, g, v); err != nil {
			return err
		}
	}
	if why == "" {
		return nil
	}
	return lost(e.update(ctx, txRevoke, func(c *change) error {
		if err := c.refuseStale(v); err != nil {
			return err // the rules were replaced, and with them another round began
		}
		now, err := c.Grants().Get(e.cfg.Tenant, g.ID)
		if err != nil {
			return err
		}
		return c.retire(&now, access.EndIneligible, access.Event{Personal: map[string]string{"why": why}})
	}))
}

// anotherAccount says why a grant that has begun is for an account that is not its principal's any more. Whose it is now nobody
// knows: it may have been given to somebody else, who would have the access with it.
func anotherAccount(g access.Grant, v ruling) string {
	if g.ActivatedAt.IsZero() || g.Account == "" || g.Account == accountIn(v.in, g.Entitlement) {
		return ""
	}
	return "The access is for an account that is not theirs any more."
}

// stillLasting decides a grant that outlasts what its request would be given now, because it was extended, or the longest
// duration has become shorter: with its whole duration, as Extend did.
func (e *Engine) stillLasting(ctx context.Context, r access.Request, g access.Grant, v ruling) (ruling, string, error) {
	target, ok := targetOf(v.d, g.Entitlement)
	if !ok {
		return v, "The request is not for this entitlement any more.", nil
	}
	if g.ActivatedAt.IsZero() || g.Duration <= target.Duration {
		return v, "", nil
	}
	longer, err := e.decideAgain(ctx, lasting(r, g, g.Deadline))
	if err != nil || longer.needsNobody() {
		return longer, "", err
	}
	return longer, longer.d.Why, nil
}
