package engine

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// undoPartial takes the other grants of a bundle back when this one leaves before it was active, because it could not
// begin, and the bundle says so. The bundle is asked as it is configured now; one that is gone keeps what there is.
func (c *change) undoPartial(g access.Grant) error {
	began := g.State != access.GrantScheduled && g.State != access.GrantActivating
	if began || (g.EndReason != access.EndFailed && g.EndReason != access.EndIneligible) || c.undone[g.ID] {
		return nil
	}
	r, err := c.Requests().Get(g.Tenant, g.Request)
	if err != nil || r.Bundle == "" || !c.engine.rules.Load().Bundles[r.Bundle].UndoPartial {
		return err
	}
	page := store.Page{Limit: access.MaxEntitlements}
	all, _, err := c.Grants().List(g.Tenant, store.GrantFilter{Request: g.Request, Unended: true}, page)
	if err != nil {
		return err
	}
	if c.undone == nil {
		c.undone = map[access.GrantID]bool{}
	}
	for _, other := range all {
		if other.ID == g.ID || other.State == access.GrantRevoking {
			continue
		}
		c.undone[other.ID] = true
		ev := access.Event{Detail: map[string]string{"bundle": r.Bundle, "because_of": string(g.ID)}}
		if err := c.retire(&other, access.EndFailed, ev); err != nil {
			return err
		}
	}
	return nil
}
