package simulation

import (
	"context"
	"errors"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
)

// stray is something at the target that bears a valid mark of ours, and that no live grant explains.
type stray struct {
	kind  access.FindingKind
	mark  access.Mark
	right right
	// touched: the owner has changed it since. removed: an order of a grant may have removed it, by chance or late.
	touched, removed bool
}

// strayAt reports whether a right is there because of a stray.
func (w *World) strayAt(r right) bool {
	for _, s := range w.strays {
		if s.right == r && !s.touched {
			return true
		}
	}
	return false
}

// forget makes an orphan: books that are lost by now had a grant, which nobody takes back. It has a mark that only this
// installation could make.
func (w *World) forget() {
	id := w.readsUnder(w.engineOn(w.keyed(memstore.New(w.storeClock)), w.rulesOver(w.driver(w.storeClock), w.storeClock)))
	w.changed = true
	w.noteOrphan(id)
}

// readsUnder has Alice ask an engine for access, and the engine give it if it can, without any accident.
func (w *World) readsUnder(e *engine.Engine) access.GrantID {
	ctx, alice := context.Background(), w.people.who(enginetest.Alice)
	s := engine.Submission{Reason: "before the restore", Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Read)}}
	r, err := e.Submit(ctx, alice, s)
	if err == nil {
		_, err = e.Step(ctx, w.storeClock.Now(), store.Lane{Tenant: access.DefaultTenant, Connector: connectorName}, 1)
	}
	view, viewErr := e.Request(ctx, alice, r.ID)
	if err := errors.Join(err, viewErr); err != nil || len(view.Grants) == 0 {
		w.breaks("the books that are lost are in order", "%v: %s", err, view.Request.State)
		return ""
	}
	return view.Grants[0].ID
}

// noteOrphan looks for what the forgotten grant has left at the target: nothing, if Alice had the right already.
func (w *World) noteOrphan(id access.GrantID) {
	for _, a := range w.target.Accounts() {
		if a.Mark != "" && grantOf(a.Mark) == id {
			w.addStray(id, &stray{kind: access.FindingOrphan, mark: a.Mark})
		}
	}
	for _, m := range w.target.Members() {
		if m.Mark != "" && grantOf(m.Mark) == id {
			w.addStray(id, &stray{kind: access.FindingOrphan, mark: m.Mark, right: right{m.Account, m.Group}})
		}
	}
}

func (w *World) addStray(id access.GrantID, s *stray) {
	w.strays[id] = s
	if w.shared() {
		w.owner.amid[s.right] = w.turnAt(s.right).Lease
	}
	w.reached["stray: "+string(s.kind)]++
	w.trace.add("target", "has something of %s: %s", id, s.kind)
}

// putBack brings back what a grant that has ended had, as the next synchronisation of a directory does, or a target that
// is restored. Where rights bear no mark they are the owner's own from then on.
func (w *World) putBack() {
	g, ok := pickOf(w.choose, w.seen.grants, func(g access.Grant) bool {
		return g.State == access.GrantEnded && !isAttested(g) && !g.ActivatedAt.IsZero() && w.strays[g.ID] == nil
	})
	if !ok {
		return
	}
	w.changed = true
	w.reached["put back"]++
	mark := w.marks[g.ID]
	if !w.shared() {
		a := memory.Account{Name: memory.OwnAccount + "-" + string(g.ID), Mark: mark, Resource: g.Entitlement.Resource, Permission: g.Entitlement.Permission}
		if err := w.target.AddAccount(a, ""); err != nil {
			panic("simulation: " + err.Error())
		}
		w.addStray(g.ID, &stray{kind: access.FindingAfterEnd, mark: mark})
		return
	}
	r := w.rightsOf(g)[0]
	if _, there := w.seen.members[r]; there {
		return
	}
	if w.shape == connector.BareRight || w.choose.chance(50) {
		w.addMember(r, "")
		return
	}
	w.target.AddMember(memory.Member{Account: r.account, Group: r.group, Mark: mark})
	w.addStray(g.ID, &stray{kind: access.FindingAfterEnd, mark: mark, right: r})
}

// strayRevoked notes that an order of a grant, and not a comparison, takes away what bears a mark.
func (w *World) strayRevoked(o connector.Order) {
	for _, s := range w.strays {
		s.removed = s.removed || s.mark == o.Mark && o.Attempt > 0
	}
}
