package enginetest

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// Obtain has somebody ask for an hour, and an engine without a runner give it.
func (w *World) Obtain(t testing.TB, e *engine.Engine, who, entitlement string) access.Grant {
	t.Helper()
	r, err := e.Submit(t.Context(), w.Who(who), engine.Submission{
		Entitlements: []access.Entitlement{Entitlement(entitlement)}, Duration: time.Hour, Reason: "order 17",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Settle(e)
	v, err := e.Request(t.Context(), w.Who(who), r.ID)
	if err != nil || len(v.Grants) != 1 {
		t.Fatalf("%d grants, %v: %s", len(v.Grants), err, v.Decision.Why)
	}
	if g := v.Grants[0]; g.State != access.GrantActive {
		t.Fatalf("the grant is %s: %s", g.State, g.LastError)
	}
	return v.Grants[0]
}

// GiveBack returns a grant, and has an engine end it.
func (w *World) GiveBack(t testing.TB, e *engine.Engine, who string, id access.GrantID) access.Grant {
	t.Helper()
	if _, err := e.Return(t.Context(), w.Who(who), id); err != nil {
		t.Fatal(err)
	}
	w.Settle(e)
	return w.Grant(t, id)
}

// Grant is a grant as the books have it.
func (w *World) Grant(t testing.TB, id access.GrantID) access.Grant {
	t.Helper()
	g, err := w.Engine.Grant(t.Context(), w.Who(Carol), id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Compare compares the target with the books, and does what follows.
func (w *World) Compare(t testing.TB) engine.Comparison {
	t.Helper()
	found, err := w.Engine.Reconcile(t.Context(), store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"})
	if err != nil {
		t.Fatal(err)
	}
	w.Settle(w.Engine)
	return found
}

// Findings are all that comparisons have found.
func (w *World) Findings(t testing.TB) []access.Finding {
	t.Helper()
	items, _, err := w.Engine.Findings(t.Context(), w.Who(Carol), true, store.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// WantEnd fails the test unless the grant has ended for the reason, was read back, and is kept by what is named.
func WantEnd(t testing.TB, g access.Grant, reason access.EndReason, keptBy string) {
	t.Helper()
	if g.State != access.GrantEnded || g.EndReason != reason || g.KeptBy != keptBy || g.VerifiedBy == "" {
		t.Errorf("the grant is %s (%s), kept by %q, verified by %q; want ended (%s), kept by %q; last error: %s",
			g.State, g.EndReason, g.KeptBy, g.VerifiedBy, reason, keptBy, g.LastError)
	}
}

// Owner is somebody who gives and takes, past Curfew, the right that Read stands for.
type Owner struct {
	// Give gives it to Alice, who may have it, and Take takes what Give gave. Remove takes what Curfew gave.
	Give, Take, Remove func()
	// Has fails the test unless Alice has it, or has it not.
	Has func(want bool, when string)
	// Told: the target tells what an owner adds from what Curfew gave.
	Told bool
	// LateEffect: an order may have arrived late (connector.Traits), so that what is back after the end is taken for one.
	LateEffect bool
}

// TestSharedRight leads a right that several grants may hold through two nodes on one store: overlapping grants, access that
// was there before, and an owner who takes, adds, and puts back.
func TestSharedRight(t *testing.T, w *World, owner Owner) {
	t.Helper()
	one, two := w.Engine, w.Node()
	older := w.Obtain(t, one, Alice, Read)
	owner.Has(true, "with a grant")
	newer := w.Obtain(t, two, Alice, Read)
	WantEnd(t, w.GiveBack(t, two, Alice, older.ID), access.EndReturned, string(newer.ID))
	owner.Has(true, "after the older of two grants")
	WantEnd(t, w.GiveBack(t, one, Alice, newer.ID), access.EndReturned, "")
	owner.Has(false, "after both")

	owner.Give()
	over := w.Obtain(t, one, Alice, Read)
	WantEnd(t, w.GiveBack(t, two, Alice, over.ID), access.EndReturned, access.KeptByStanding)
	owner.Has(true, "after a grant on top of standing access")
	owner.Take()

	removed := w.Obtain(t, one, Alice, Read)
	owner.Remove()
	if found := w.Compare(t); found.Missing != 1 {
		t.Errorf("the comparison is %+v", found)
	}
	WantEnd(t, w.Grant(t, removed.ID), access.EndRemovedAtTarget, "")
	owner.Has(false, "after the owner removed it")

	added := w.Obtain(t, one, Alice, Read)
	owner.Give()
	kept := ""
	if owner.Told {
		kept = access.KeptByStanding
	}
	WantEnd(t, w.GiveBack(t, two, Alice, added.ID), access.EndReturned, kept)
	owner.Has(owner.Told, "after the owner added on top")
	if owner.Told {
		owner.Take()
	}

	again := w.Obtain(t, one, Alice, Read)
	w.GiveBack(t, one, Alice, again.ID)
	owner.Give()
	w.Compare(t)
	if owner.LateEffect {
		owner.Has(false, "after the owner put it back")
	} else {
		if all := w.Findings(t); len(all) != 1 || !all[0].Overdue() {
			t.Errorf("after the owner put it back the findings are %+v", all)
		}
		owner.Take()
		w.Compare(t)
	}
	if all := w.Findings(t); len(all) != 1 || all[0].State != access.FindingRemoved {
		t.Errorf("in the end the findings are %+v", all)
	}
}
