package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func appendEvent(tx store.Tx, tenant access.TenantID, id string) error {
	return tx.Events().Append(store.EventRow{ID: access.EventID(id), Tenant: tenant, Kind: access.EventGrantActive, Leaf: []byte("{}")})
}

// numbered are the positions of a tenant's events by ID, and how many have none.
func numbered(t *testing.T, s store.Store, tenant access.TenantID) (positions map[access.EventID]int64, waiting int) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List(tenant, store.EventFilter{}, 0, maxLimit)
		if err != nil {
			return err
		}
		positions = map[access.EventID]int64{}
		for i, row := range rows {
			positions[row.ID] = row.Position
			if row.Position != int64(i)+1 {
				t.Errorf("%s is at position %d, behind %d others", row.ID, row.Position, i)
			}
		}
		rows, err = tx.Events().Unsequenced(tenant, maxLimit)
		waiting = len(rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return positions, waiting
}

// TestEventsNumberedAtCommit has many transactions share commits, some of which fail after they have written. Whoever has
// an answer finds its events numbered, and there are no gaps where the others were.
func TestEventsNumberedAtCommit(t *testing.T) {
	s, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "curfew.db"), Options{NumberEvents: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	release := hold(t, s)
	errFailed := errors.New("failed")
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			tenant := access.TenantID([]string{"acme", "umbrella"}[i%2])
			err := s.Update(context.Background(), "append", func(tx store.Tx) error {
				for k := range 3 {
					if err := appendEvent(tx, tenant, fmt.Sprintf("ev_%02d_%d", i, k)); err != nil {
						return err
					}
				}
				if i%10 == 0 {
					return errFailed
				}
				return nil
			})
			switch {
			case i%10 == 0:
				if !errors.Is(err, errFailed) {
					t.Errorf("transaction %d: %v", i, err)
				}
			case err != nil:
				t.Errorf("transaction %d: %v", i, err)
			default:
				positions, _ := numbered(t, s, tenant)
				if positions[access.EventID(fmt.Sprintf("ev_%02d_2", i))] == 0 {
					t.Errorf("the events of transaction %d are committed and have no position", i)
				}
			}
		})
	}
	awaitQueue(s, 60)
	release()
	all.Wait()
	for tenant, want := range map[access.TenantID]int{"acme": 24 * 3, "umbrella": 30 * 3} {
		if positions, waiting := numbered(t, s, tenant); len(positions) != want || waiting != 0 {
			t.Errorf("%s: %d events are numbered and %d wait; want %d and none", tenant, len(positions), waiting, want)
		}
	}
	if s.Stats().Commits >= 60 {
		t.Errorf("%d commits: nothing shared one", s.Stats().Commits)
	}
}

// TestNumberingBeginsBehindABacklog opens books whose last process left events without a position. They come first.
func TestNumberingBeginsBehindABacklog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curfew.db")
	write := func(o Options, ids ...string) {
		s, err := OpenSQLite(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for _, id := range ids {
			if err := s.Update(t.Context(), "append", func(tx store.Tx) error { return appendEvent(tx, "acme", id) }); err != nil {
				t.Fatal(err)
			}
		}
		if !o.NumberEvents {
			return
		}
		if positions, waiting := numbered(t, s, "acme"); positions["ev_1"] != 1 || positions["ev_2"] != 2 || len(positions) != 2 || waiting != 2 {
			t.Errorf("the positions are %v, and %d wait", positions, waiting)
		}
	}
	write(Options{}, "ev_1", "ev_2")
	write(Options{NumberEvents: true}, "ev_3", "ev_4")
}
