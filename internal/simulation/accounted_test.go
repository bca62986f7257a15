package simulation

import (
	"testing"
	"testing/synctest"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
)

// What is only held to account at the end, or after a comparison, can be broken as well.
func TestTheEndCanBeBroken(t *testing.T) {
	setup, err := NewSetup()
	if err != nil {
		t.Fatal(err)
	}
	foreign := othersMarks()[1]
	for promise, breach := range map[string]func(w *World, now *state){
		"": func(w *World, now *state) {
			w.strays["gr_2"] = &stray{kind: access.FindingOrphan, mark: "m"}
			now.findings["fd_1"] = access.Finding{Kind: access.FindingOrphan, State: access.FindingRemoved, Grant: "gr_2", Mark: "m"}
			now.findings["fd_2"] = access.Finding{Kind: access.FindingForeign, State: access.FindingOpen, Mark: foreign}
			now.others["guest"] = memory.Account{Mark: foreign}
			w.accounted(now)
		},
		"what is ours and too much is found": func(w *World, now *state) {
			w.strays["gr_2"] = &stray{kind: access.FindingOrphan, mark: "m"}
			w.accounted(now)
		},
		"what others made is found": func(w *World, now *state) {
			now.others["guest"] = memory.Account{Mark: foreign}
			w.accounted(now)
		},
		"what is gone is no longer found": func(w *World, now *state) {
			now.findings["fd_1"] = access.Finding{State: access.FindingOpen, Mark: "m"}
			w.accounted(now)
		},
		"what is put back is found": func(w *World, now *state) {
			w.hadOnce(t, right{enginetest.Alice, "orders:read"})
			now.members[right{enginetest.Alice, "orders:read"}] = ""
			now.now = w.storeClock.Now()
			w.accounted(now)
		},
		"a grant whose access was removed at the target ends": func(w *World, _ *state) {
			g := w.hadOnce(t, right{enginetest.Alice, "orders:read"})
			w.target.RemoveAccount(memory.OwnAccount + "-" + string(g))
			w.checkCompared([]access.GrantID{g})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(setup, replayed(nil), func(c *clock) store.Store { return memstore.New(c) })
			_, now := kept(w)
			breach(w, &now)
			if got := w.broken; (got == nil) != (promise == "") || got != nil && got.Promise != promise {
				t.Errorf("broken is %v, want %q", got, promise)
			}
		})
	}
}

// hadOnce puts into the books an active grant that has had a right and no longer holds it.
func (w *World) hadOnce(t *testing.T, r right) access.GrantID {
	t.Helper()
	e := w.engineOn(w.books, w.rulesOver(w.driver(w.storeClock), w.storeClock))
	g := w.readsUnder(e)
	err := w.books.Update(t.Context(), "test", func(tx store.Tx) error {
		lane := store.Lane{Tenant: access.DefaultTenant, Connector: connectorName}
		if err := tx.Atoms().Hold(lane, g, []access.Atom{{Target: targetName, Account: r.account, Right: r.group}}); err != nil {
			return err
		}
		return tx.Atoms().Drop(access.DefaultTenant, g)
	})
	if err != nil || w.shape != connector.OwnObject {
		t.Fatal(w.shape, err)
	}
	return g
}
