package engine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// Where the store numbers events as it commits them, nobody else has to, and readers are woken by the commit: many who
// follow, and read together, each see everything once and in turn. No time passes in which a look by the way could make
// up for a signal that was lost.
func TestNumberedEventsReachEveryReader(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		const readers, writers, each = 16, 4, 10
		ctx, stop := context.WithCancel(t.Context())
		got := make([][]engine.LoggedEvent, readers)
		var reading, writing sync.WaitGroup
		for i := range got {
			who := w.Who([]string{Olga, Alice}[i%2]) // who sees all, and who asked for each request
			reading.Go(func() {
				var after int64
				for ctx.Err() == nil {
					page, err := w.Engine.WaitEvents(ctx, who, engine.LogQuery{After: after, Limit: 7})
					if err != nil {
						t.Error(err)
						return
					}
					got[i] = append(got[i], page.Items...)
					after = page.Next
				}
			})
		}
		for range writers {
			writing.Go(func() {
				for range each {
					if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		synctest.Wait()
		stop()
		reading.Wait()
		// Each is submitted, approved, and has a grant scheduled.
		const want = writers * each * 3
		for i, items := range got {
			if len(items) != want {
				t.Errorf("reader %d saw %d of %d events", i, len(items), want)
			}
			for j, ev := range items {
				if ev.Position != int64(j+1) {
					t.Fatalf("reader %d saw position %d in place %d", i, ev.Position, j+1)
				}
			}
		}
	}, WithEventsNumbered())
}

// heldStore lets one view wait between what it has read and its end.
type heldStore struct {
	store.Store
	armed         atomic.Bool
	held, release chan struct{}
}

func (s *heldStore) View(ctx context.Context, fn func(store.Tx) error) error {
	err := s.Store.View(ctx, fn)
	if s.armed.CompareAndSwap(true, false) {
		close(s.held)
		<-s.release
	}
	return err
}

// Who comes after an entry shares no reading that began before it.
func TestReadingFromBeforeIsNotShared(t *testing.T) {
	slow := &heldStore{}
	alone(t, func(t *testing.T, w *World) {
		slow.held, slow.release = make(chan struct{}), make(chan struct{})
		read := func(into chan<- int) {
			page, err := w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{After: 0, Limit: 10})
			if err != nil {
				t.Error(err)
			}
			into <- len(page.Items)
		}
		before, after := make(chan int, 1), make(chan int, 1)
		slow.armed.Store(true)
		go read(before)
		<-slow.held
		if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
		go read(after)
		synctest.Wait()
		select {
		case n := <-after:
			if n == 0 {
				t.Error("who came after the entries did not see them")
			}
		default:
			t.Error("who came after the entries waits for a reading from before")
		}
		close(slow.release)
		if n := <-before; n != 0 {
			t.Errorf("who came before the entries saw %d", n)
		}
	}, WithEventsNumbered(), WithObserver(nil, func(s store.Store) store.Store { slow.Store = s; return slow }))
}

// A reader is told of an entry that was changed behind Curfew's back only if the entry is for it.
func TestChangedEntryIsNobodyElses(t *testing.T) {
	alone(t, func(t *testing.T, w *World) {
		if _, err := w.Engine.Submit(t.Context(), w.Who(Alice), readForAnHour()); err != nil {
			t.Fatal(err)
		}
		beside(t, w, "UPDATE event_personal SET value = 'order 18'")
		if _, err := w.Engine.Events(t.Context(), w.Who(Alice), engine.LogQuery{After: 0, Limit: 10}); err == nil || access.KindOf(err) != access.KindInternal {
			t.Errorf("alice: %v", err)
		}
		if page, err := w.Engine.Events(t.Context(), w.Who(Mallory), engine.LogQuery{After: 0, Limit: 10}); err != nil || len(page.Items) != 0 || page.Next == 0 {
			t.Errorf("mallory sees %+v, %v", page, err)
		}
	}, WithEventsNumbered())
}
