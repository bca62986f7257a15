package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// number has a node number what waits, as far as it may.
func number(t *testing.T, w *World, holder string) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = w.Engine.Sequence(t.Context(), holder); err != nil {
			t.Fatal(err)
		}
	}
}

// logged counts the events that have a position, and those that wait for one.
func logged(t *testing.T, w *World) (numbered, waiting int) {
	t.Helper()
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 1000)
		if err != nil {
			return err
		}
		numbered = len(rows)
		rows, err = tx.Events().Unsequenced(access.DefaultTenant, 1000)
		waiting = len(rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return numbered, waiting
}

// appendEvents writes n events past the engine, as another node would: nobody here is woken.
func appendEvents(t *testing.T, w *World, n int) {
	t.Helper()
	err := w.Store.Update(t.Context(), "another node", func(tx store.Tx) error {
		for i := range n {
			err := tx.Events().Append(store.EventRow{
				Tenant: access.DefaultTenant, ID: access.EventID(fmt.Sprintf("ev_%06d", i)), Kind: access.EventGrantActive,
				Leaf: []byte("{}"),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventsAreNumberedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		began := time.Now()
		ask(t, w, Alice, Read, time.Hour)
		if numbered, waiting := logged(t, w); numbered == 0 || waiting != 0 {
			t.Errorf("%d events are numbered and %d wait", numbered, waiting)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %s, not the signal", d)
		}
	})
}

// What another node appended, and did not number before it died, is numbered by those that live.
func TestEventsOfADeadNodeAreNumbered(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		appendEvents(t, w, 600)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if numbered, waiting := logged(t, w); numbered != 600 || waiting != 0 {
			t.Errorf("%d events are numbered and %d wait", numbered, waiting)
		}
	})
}

// A node that dies between two batches keeps its lease for a while; then another goes on where it ended.
func TestSequenceIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(t)
		appendEvents(t, w, 600)
		more, err := w.Engine.Sequence(t.Context(), "node-1")
		if err != nil || !more {
			t.Fatalf("a first batch of 600: more is %t, %v", more, err)
		}
		number(t, w, "node-2")
		if numbered, _ := logged(t, w); numbered != 128 {
			t.Errorf("%d events are numbered while another holds the lease; want 128, its batch", numbered)
		}
		time.Sleep(5 * time.Second)
		number(t, w, "node-2")
		if numbered, waiting := logged(t, w); numbered != 600 || waiting != 0 {
			t.Errorf("%d events are numbered and %d wait", numbered, waiting)
		}
		// With nothing left the lease is given back, so that the next to append need not wait.
		if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
		number(t, w, "node-3")
		if _, waiting := logged(t, w); waiting != 0 {
			t.Errorf("%d events wait for a lease that nobody needs", waiting)
		}
	})
}

// Two nodes with runners of their own on one store number every event once.
func TestTwoRunnersNumberTogether(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		other := engine.NewRunner(w.Engine)
		other.Start()
		defer other.Stop()
		for range 20 {
			ask(t, w, Alice, Read, time.Hour)
		}
		synctest.Wait()
		if numbered, waiting := logged(t, w); numbered < 80 || waiting != 0 {
			t.Errorf("%d events are numbered and %d wait", numbered, waiting)
		}
	})
}
