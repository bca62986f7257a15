package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// follow reads the log to its end, in pages of the limit, as one person sees it.
func follow(t *testing.T, w *World, who string, limit int) (items []engine.LoggedEvent, end int64) {
	t.Helper()
	for {
		page, err := w.Engine.Events(t.Context(), w.Who(who), engine.LogQuery{After: end, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, page.Items...)
		end = page.Next
		if !page.More {
			return items, end
		}
	}
}

func TestWhoSeesWhichEvents(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		read, write := ask(t, w, Alice, Read, time.Hour).Request.ID, ask(t, w, Alice, Write, time.Hour).Request.ID
		agents := ask(t, w, AliceAgent, Read, time.Hour).Request.ID
		all, end := follow(t, w, Olga, 100)
		if end != int64(len(all)) || len(all) < 8 {
			t.Fatalf("an auditor sees %d events up to position %d", len(all), end)
		}
		for who, want := range map[string][]access.RequestID{
			Olga: {read, write, agents}, Carol: {read, write, agents}, AliceAdmin: {read, write, agents},
			Alice: {read, write, agents}, AliceAgent: {agents}, Bob: {write}, Mallory: nil,
		} {
			items, got := follow(t, w, who, 3)
			if got != end {
				t.Errorf("%s reads to %d, not to the end", who, got)
			}
			seen := map[access.RequestID]bool{}
			for _, ev := range items {
				seen[ev.Request] = true
				if ev.Kind == access.EventRequestSubmitted && (ev.Personal["reason"] != "order 17" || ev.Actor.IsZero()) {
					t.Errorf("%s sees an event without its personal values: %+v", who, ev)
				}
			}
			for _, id := range []access.RequestID{read, write, agents} {
				if may := slices.Contains(want, id); seen[id] != may {
					t.Errorf("%s sees the events of request %s: %t, want %t", who, id, seen[id], may)
				}
			}
		}
	})
}

// An event of no request is for those who see everything.
func TestEventsOfNoRequest(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		appendEvents(t, w, 1)
		time.Sleep(time.Minute)
		for who, want := range map[string]int{Olga: 1, Alice: 0, Mallory: 0} {
			if items, _ := follow(t, w, who, 10); len(items) != want {
				t.Errorf("%s sees %d events", who, len(items))
			}
		}
	})
}

// Many write, some of them as another node would, while two readers follow: each sees every event once and in turn.
func TestFollowersMissNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		const writers, each = 8, 10
		ctx, stop := context.WithCancel(t.Context())
		got := make([][]engine.LoggedEvent, 2)
		var readers, writing sync.WaitGroup
		for i := range got {
			readers.Go(func() {
				var after int64
				for ctx.Err() == nil {
					page, err := w.Engine.WaitEvents(ctx, w.Who(Olga), engine.LogQuery{After: after, Limit: 7})
					if err != nil {
						t.Error(err)
						return
					}
					got[i] = append(got[i], page.Items...)
					after = page.Next
				}
			})
		}
		for n := range writers {
			writing.Go(func() {
				for range each {
					if _, err := w.Engine.Submit(t.Context(), w.Who([]string{Alice, AliceAgent}[n%2]), readForAnHour()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		readers.Wait()
		all, _ := follow(t, w, Olga, 1000)
		if len(all) < writers*each*4 {
			t.Fatalf("only %d events were entered", len(all))
		}
		for i, items := range got {
			if len(items) != len(all) {
				t.Errorf("reader %d saw %d of %d events", i, len(items), len(all))
			}
			for j, ev := range items {
				if ev.Position != int64(j+1) {
					t.Fatalf("reader %d saw position %d in place %d", i, ev.Position, j+1)
				}
			}
		}
	})
}

// What this node enters is seen at once.
func TestOwnEventsAreSeenAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		time.Sleep(time.Minute + time.Millisecond) // not when somebody looks anyway
		began := time.Now()
		seen := make(chan time.Duration, 1)
		go func() {
			if _, err := w.Engine.WaitEvents(t.Context(), w.Who(Olga), engine.LogQuery{After: 0, Limit: 10}); err != nil {
				t.Error(err)
			}
			seen <- time.Since(began)
		}()
		synctest.Wait()
		ask(t, w, Alice, Read, time.Hour)
		if d := <-seen; d != 0 {
			t.Errorf("it took %s, not the signal", d)
		}
	})
}

// What another node has entered wakes nobody here, and is seen all the same.
func TestAnotherNodesEventsAreSeen(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		began := time.Now()
		seen := make(chan time.Duration)
		go func() {
			page, err := w.Engine.WaitEvents(t.Context(), w.Who(Olga), engine.LogQuery{After: 0, Limit: 10})
			if err != nil || len(page.Items) != 3 {
				t.Errorf("%d events, %v", len(page.Items), err)
			}
			seen <- time.Since(began)
		}()
		const after = time.Minute + time.Millisecond // not when this node looks for what is to be numbered
		time.Sleep(after)
		appendEvents(t, w, 3)
		numberAsAnotherNode(t, w)
		if late := <-seen - after; late > 250*time.Millisecond {
			t.Errorf("the reader learnt of it after %s", late)
		}
	})
}

// While nobody waits nobody looks.
func TestNobodyWatchesForNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		before := w.Views()
		if _, err := w.Engine.WaitEvents(ctx, w.Who(Olga), engine.LogQuery{After: 0, Limit: 10}); err != nil {
			t.Fatal(err)
		}
		waiting := w.Views() - before
		time.Sleep(time.Second)
		before = w.Views()
		time.Sleep(10 * time.Second)
		if idle := w.Views() - before; waiting < 40 || idle > 15 {
			t.Errorf("%d views in ten seconds of waiting, %d without anybody", waiting, idle)
		}
	})
}

func TestWaitEventsEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		page, err := w.Engine.WaitEvents(ctx, w.Who(Mallory), engine.LogQuery{After: 0, Limit: 2})
		end, _ := w.Engine.LastPosition(t.Context())
		if err != nil || len(page.Items) != 0 || page.Next != end || time.Since(began) != time.Minute {
			t.Errorf("%+v after %s, %v; want nothing up to %d", page, time.Since(began), err, end)
		}
	})
}

// A cursor from beyond the end is one of a log of which the end is lost.
func TestCursorBeyondTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		end, err := w.Engine.LastPosition(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if page, err := w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{After: end, Limit: 10}); err != nil || page.Next != end || page.More {
			t.Errorf("at the end: %+v, %v", page, err)
		}
		_, err = w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{After: end + 1, Limit: 10})
		if access.KindOf(err) != access.KindInvalid || !strings.Contains(access.SafeMessage(err), "restored") {
			t.Errorf("beyond the end: %v", err)
		}
	})
}

// Whoever changes a personal value behind Curfew's back is found out by the next reader.
func TestChangedPersonalValueIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Hour)
		beside(t, w, `UPDATE event_personal SET value = 'order 18' WHERE field = 'reason'`)
		_, err := w.Engine.Events(t.Context(), w.Who(Olga), engine.LogQuery{After: 0, Limit: 10})
		if access.KindOf(err) != access.KindInternal || !strings.Contains(access.SafeMessage(err), "position 1 ") {
			t.Errorf("got %v", err)
		}
	})
}

// numberAsAnotherNode gives what waits its positions without a word to anybody here.
func numberAsAnotherNode(t *testing.T, w *World) {
	t.Helper()
	beside(t, w, `UPDATE events SET position = n FROM (SELECT id AS of, row_number() OVER (ORDER BY id) AS n FROM events) WHERE id = of`)
}

// beside changes the store past the engine.
func beside(t *testing.T, w *World, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)", w.Path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
