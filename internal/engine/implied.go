package engine

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// boundImplied keeps what all targets of a request imply within what one may: views of many requests show all of it.
func boundImplied(targets []policy.Target) {
	left := access.MaxImpliedBytes
	for i := range targets {
		implied := &targets[i].Implies
		if size := implied.Size(); size <= left {
			left -= size
			continue
		}
		*implied = access.Implied{Incomplete: "What it implies is too long to show beside the others; it can be asked for alone."}
	}
}

// widened says which entitlement implies more than was shown, in a sentence; empty when none does.
func widened(now, shown policy.Decision) string {
	for _, t := range now.Targets {
		before, _ := targetOf(shown, t.Entitlement)
		if !t.Implies.Within(before.Implies) {
			return fmt.Sprintf("At its target %s implies more than reviewers were shown, or no longer tells; it must be asked anew.", t.Entitlement)
		}
	}
	return ""
}

// asReviewed says why an approved request is not what its reviewers were shown; empty when it is. Where nobody had to agree,
// nobody was shown anything.
func (e *Engine) asReviewed(ctx context.Context, r access.Request, now policy.Decision) (why string, err error) {
	if len(now.Stages) == 0 {
		return "", nil
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		shown, err := newestDecisions(tx, e.cfg.Tenant, r.ID)
		why = widened(now, shown[r.ID])
		return err
	})
	return why, err
}
