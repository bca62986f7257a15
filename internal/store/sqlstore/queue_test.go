package sqlstore

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/store"
)

// TestQueueStarvesNobody floods either line, or both, and holds every commit to what it owes the other.
func TestQueueStarvesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		arrive := func(background bool, most int) {
			for range rapid.IntRange(0, most).Draw(t, "arrive") {
				m := newMember("", nil)
				m.background = background
				q.line(m) <- m
			}
		}
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			arrive(false, min(400, queueLength-len(q.urgent)))
			arrive(true, min(100, queueLength-len(q.background)))
			urgent, background := len(q.urgent), len(q.background)
			if urgent+background == 0 {
				continue
			}
			var took [2]int
			batch := q.gather(q.first())
			for _, m := range batch {
				if m.background {
					took[1]++
				} else {
					took[0]++
				}
			}
			// The first may be of either line.
			if took[0] < min(urgent, maxBatch-1) || took[0] > maxBatch {
				t.Fatalf("%d of the %d that somebody waits for are in the commit", took[0], urgent)
			}
			least, most := 1+took[0]/urgentPerBackground, 2+(took[0]+1)/urgentPerBackground
			if took[1] < min(background, least) || took[1] > most {
				t.Fatalf("%d of %d of the background are in a commit with %d others; want %d to %d", took[1], background, took[0], least, most)
			}
			arrive(false, min(1, queueLength-len(q.urgent)))
			waits, m := took[0] > 0 || len(q.urgent) > 0, q.spare(batch)
			if waits && m != nil {
				t.Fatal("the background was added to a commit for the end of which somebody waits")
			}
			if !waits && m == nil && len(q.background) > 0 {
				t.Fatal("nobody waits, and the background waits for the next commit")
			}
		}
	})
}

// TestPeopleGoFirst has a background of many transactions, each of which sees who was written before it.
func TestPeopleGoFirst(t *testing.T) {
	s, _ := openRaw(t)
	s.background = func(name store.TxName) bool { return name == "background" }
	release := hold(t, s)
	var mu sync.Mutex
	var order []store.TxName
	var wg sync.WaitGroup
	submit := func(name store.TxName, n int) {
		for i := range n {
			wg.Go(func() {
				err := s.Update(context.Background(), name, func(tx store.Tx) error {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, name)
					return put(fmt.Sprint(name, i))(tx)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	const people = 40
	submit("background", 20)
	submit("person", people)
	for len(s.writer.queue.background) != 20 || len(s.writer.queue.urgent) != people {
		runtime.Gosched()
	}
	release()
	wg.Wait()
	// Whichever line the writer looked into first, few of the background came before the last person.
	before, seen := 0, 0
	for _, name := range order {
		if name == "person" {
			seen++
		} else if seen < people {
			before++
		}
	}
	if seen != people || len(order) != people+20 {
		t.Fatalf("%d of %d people, %d in all", seen, people, len(order))
	}
	if most := 2; before > most {
		t.Errorf("%d of the background were written before people who waited; want at most %d", before, most)
	}
}
