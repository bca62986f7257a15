package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func appendEvents(t testing.TB, s store.Store, ids ...access.EventID) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, id := range ids {
			if err := tx.Events().Append(newEvent(acme, id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// wantEvents compares the log, and what waits to be in it, by ID. Positions must be 1, 2, 3 and so on.
func wantEvents(t testing.TB, s store.Store, numbered, waiting []access.EventID) {
	t.Helper()
	var log, rest []access.EventID
	view(t, s, func(tx store.Tx) error {
		rows, err := tx.Events().List(acme, store.EventFilter{}, 0, 100)
		if err != nil {
			return err
		}
		for i, row := range rows {
			log = append(log, row.ID)
			if row.Position != int64(i+1) || len(row.Personal) != 2 {
				t.Errorf("%s is at position %d with %d personal values; want %d and 2", row.ID, row.Position,
					len(row.Personal), i+1)
			}
		}
		newest, err := tx.Events().Newest(acme)
		if len(rows) == 0 {
			wantKind(t, "the newest event of an empty log", err, access.KindNotFound)
		} else {
			want := rows[len(rows)-1]
			want.Personal = nil
			if diff := cmp.Diff(want, newest); diff != "" || err != nil {
				t.Errorf("the newest event (-want +got), %v:\n%s", err, diff)
			}
		}
		if rows, err = tx.Events().Unsequenced(acme, 100); err != nil {
			return err
		}
		for _, row := range rows {
			rest = append(rest, row.ID)
			if row.Position != 0 {
				t.Errorf("%s waits for a position and has %d", row.ID, row.Position)
			}
		}
		return nil
	})
	if diff := cmp.Diff(numbered, log); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(waiting, rest); diff != "" {
		t.Errorf("what waits (-want +got):\n%s", diff)
	}
}

func testSequence(t *testing.T, s store.Store) {
	if n := sequence(t, s, acme, 10); n != 0 {
		t.Errorf("of nothing %d were numbered", n)
	}
	appendEvents(t, s, "ev_3", "ev_1", "ev_5")
	wantEvents(t, s, nil, []access.EventID{"ev_1", "ev_3", "ev_5"})
	if n := sequence(t, s, acme, 2); n != 2 {
		t.Errorf("%d were numbered; want 2", n)
	}
	wantEvents(t, s, []access.EventID{"ev_1", "ev_3"}, []access.EventID{"ev_5"})

	// What is committed later comes later, whatever its ID; and what is numbered stays.
	appendEvents(t, s, "ev_2")
	if n := sequence(t, s, acme, 100); n != 2 {
		t.Errorf("%d were numbered; want 2", n)
	}
	wantEvents(t, s, []access.EventID{"ev_1", "ev_3", "ev_2", "ev_5"}, nil)

	// Numbers of a transaction that is undone are given again.
	appendEvents(t, s, "ev_6")
	err := s.Update(context.Background(), "undone", func(tx store.Tx) error {
		if n, err := tx.Events().Sequence(acme, 10); n != 1 || err != nil {
			t.Errorf("%d were numbered, %v", n, err)
		}
		return errOfMember
	})
	if err == nil {
		t.Error("the transaction was not undone")
	}
	wantEvents(t, s, []access.EventID{"ev_1", "ev_3", "ev_2", "ev_5"}, []access.EventID{"ev_6"})
	if n := sequence(t, s, acme, -5); n != 1 {
		t.Errorf("a limit of -5 numbers %d; want it clamped to 1", n)
	}
	wantEvents(t, s, []access.EventID{"ev_1", "ev_3", "ev_2", "ev_5", "ev_6"}, nil)
}

// testSequenceRace has appenders, two sequencers that know nothing of each other, and a reader that follows with a
// cursor. The reader must see every event once, with positions that leave no gap.
func testSequenceRace(t *testing.T, s store.Store) {
	const appenders, each = 8, 25
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var appending, following sync.WaitGroup
	for a := range appenders {
		appending.Go(func() {
			for i := range each {
				event := newEvent(acme, access.EventID(fmt.Sprintf("ev_%02d_%d", i, a)))
				if err := s.Update(ctx, "append", func(tx store.Tx) error { return tx.Events().Append(event) }); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	var numbered atomic.Int64
	for range 2 {
		following.Go(func() {
			for numbered.Load() < appenders*each && ctx.Err() == nil {
				n := 0
				err := s.Update(ctx, "sequence", func(tx store.Tx) (err error) {
					n, err = tx.Events().Sequence(acme, 7)
					return err
				})
				if err != nil {
					t.Errorf("sequence: %v", err)
					stop()
				}
				numbered.Add(int64(n))
			}
		})
	}
	seen := map[access.EventID]int64{}
	following.Go(func() {
		for cursor := int64(0); cursor < appenders*each && ctx.Err() == nil; {
			for _, row := range listEvents(t, s, store.EventFilter{}, cursor, 10) {
				if seen[row.ID] != 0 || row.Position != cursor+1 {
					t.Errorf("after position %d comes %d with %s, seen at %d", cursor, row.Position, row.ID, seen[row.ID])
					stop()
				}
				cursor = row.Position
				seen[row.ID] = cursor
			}
		}
	})
	appending.Wait()
	following.Wait()
	if len(seen) != appenders*each || numbered.Load() != appenders*each {
		t.Errorf("the reader saw %d events and %d were numbered; want %d", len(seen), numbered.Load(), appenders*each)
	}
}
