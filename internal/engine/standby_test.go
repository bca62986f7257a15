package engine_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/journal"
	"github.com/curfewhq/curfew/internal/store"
)

// withJournal is a company that keeps a journal, which is returned as well.
func withJournal(t *testing.T) (Option, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(filepath.Join(t.TempDir(), "curfew.journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return WithJournal(j), j
}

func journalled(t *testing.T, j *journal.Journal) int {
	t.Helper()
	records, err := j.Records()
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

func eventsOf(t *testing.T, w *World, g access.GrantID, kind access.EventKind) (n int) {
	t.Helper()
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{Grant: g}, 0, 100)
		for _, row := range rows {
			if row.Kind == kind {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// accounts counts what Curfew has made at the target.
func accounts(w *World) int { return len(w.Target.Accounts()) - 1 }

// The store goes away before a grant's deadline: the access goes at the deadline all the same, and the store is told
// when it is back.
func TestRevocationWithoutTheStore(t *testing.T) {
	option, j := withJournal(t)
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 30*time.Minute)
		g := grantOf(t, w, v)
		time.Sleep(25 * time.Minute)
		w.LoseStore(true)
		time.Sleep(time.Until(g.Deadline) - time.Second)
		if accounts(w) != 1 {
			t.Fatal("the access went before its deadline")
		}
		time.Sleep(5 * time.Second)
		if accounts(w) != 0 {
			t.Error("the access outlives its deadline while the store is away")
		}
		if n := journalled(t, j); n != 1 {
			t.Errorf("the journal has %d records, want 1", n)
		}
		time.Sleep(time.Hour)
		w.LoseStore(false)
		time.Sleep(5 * time.Second)
		g = grantOf(t, w, v)
		wantEnded(t, g, access.EndExpired)
		if n := eventsOf(t, w, g.ID, access.EventGrantRemovedOffline); n != 1 {
			t.Errorf("the log says %d times that it was removed without the store, want once", n)
		}
		if n := journalled(t, j); n != 0 {
			t.Errorf("the journal keeps %d records that the store has", n)
		}
	}, option)
}

// A grant that is shorter than the pauses between looks at the store is at hand from the moment that it is made.
func TestShortGrantWithoutTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, 20*time.Second)
		w.LoseStore(true)
		time.Sleep(25 * time.Second)
		if accounts(w) != 0 {
			t.Error("the access outlives its deadline while the store is away")
		}
	})
}

// The target fails as well: it is tried again until it works, and no other grant waits for that.
func TestRevocationWithoutTheStoreIsTriedAgain(t *testing.T) {
	option, j := withJournal(t)
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 5*time.Minute)
		time.Sleep(2 * time.Minute)
		w.LoseStore(true)
		_, clear := w.Target.Inject(memory.Fault{Call: connector.CallObserve, Moment: memory.BeforeEffect})
		time.Sleep(5 * time.Minute)
		if n := journalled(t, j); n != 0 {
			t.Errorf("%d removals are in the journal, and none was read back", n)
		}
		clear()
		time.Sleep(2 * time.Minute)
		if n := journalled(t, j); n != 1 || accounts(w) != 0 {
			t.Errorf("the journal has %d records, and the target %d accounts", n, accounts(w))
		}
		w.LoseStore(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
	}, option)
}

// One error of the store is not the store being away.
func TestAStoreThatStumblesIsNotAway(t *testing.T) {
	option, j := withJournal(t)
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 5*time.Minute)
		time.Sleep(5*time.Minute - 100*time.Millisecond)
		w.LoseStore(true)
		time.Sleep(500 * time.Millisecond)
		w.LoseStore(false)
		time.Sleep(3 * time.Second)
		wantEnded(t, grantOf(t, w, v), access.EndExpired)
		if n := journalled(t, j); n != 0 {
			t.Errorf("the journal has %d records", n)
		}
		if n := eventsOf(t, w, v.Grants[0].ID, access.EventGrantRemovedOffline); n != 0 {
			t.Errorf("the log speaks of %d removals without the store", n)
		}
	}, option)
}

// Who else holds a shared right only the store knows. Without it nothing of it is taken away, and with it at once.
func TestSharedRightWaitsForTheStore(t *testing.T) {
	option, j := withJournal(t)
	shared(t, func(t *testing.T, w *World) {
		first, second := ask(t, w, Alice, Read, 5*time.Minute), ask(t, w, Alice, Read, time.Hour)
		pass(2 * time.Minute)
		w.LoseStore(true)
		pass(20 * time.Minute)
		wantMember(t, w, Alice, readers, true, "while the store is away")
		w.LoseStore(false)
		pass(5 * time.Second)
		wantEnded(t, grantOf(t, w, first), access.EndExpired)
		wantMember(t, w, Alice, readers, true, "while the second grant lives")
		w.LoseStore(true)
		pass(time.Hour)
		w.LoseStore(false)
		pass(5 * time.Second)
		wantEnded(t, grantOf(t, w, second), access.EndExpired)
		wantMember(t, w, Alice, readers, false, "after both, with the store")
		if n := journalled(t, j); n != 0 {
			t.Errorf("the journal has %d records, want none", n)
		}
	}, option)
}

// The store goes away just after an extension: the access goes at the deadline that it has now.
func TestExtendedWithoutTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		v := ask(t, w, Alice, Read, 5*time.Minute)
		time.Sleep(5*time.Minute - 10*time.Second)
		g, err := extend(t, w, v, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		w.LoseStore(true)
		time.Sleep(time.Until(g.Deadline) - time.Second)
		if accounts(w) != 1 {
			t.Error("the access went at the deadline that has been")
		}
		time.Sleep(5 * time.Second)
		if accounts(w) != 0 {
			t.Error("the access outlives its deadline while the store is away")
		}
	})
}
