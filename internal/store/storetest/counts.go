package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testCounts leads grants to every state, some of them past their deadline, and counts them.
func testCounts(t *testing.T, s store.Store) {
	lives := []struct {
		state    access.GrantState
		deadline time.Time
		residual time.Time
		due      time.Time
	}{
		{state: access.GrantScheduled, due: at(3)},
		{state: access.GrantScheduled, due: at(500)},
		{state: access.GrantActivating, deadline: at(200), due: at(100)},
		{state: access.GrantActive, deadline: at(100), due: at(100)}, // its deadline is this very moment: due, not overdue
		{state: access.GrantActive, deadline: at(99), due: at(99)},
		{state: access.GrantActive, deadline: at(300), due: at(300)},
		{state: access.GrantRevoking, deadline: at(90), residual: at(101), due: at(101)},
		{state: access.GrantRevoking, deadline: at(90), residual: at(100), due: at(150)},
		{state: access.GrantEnded, deadline: at(10), due: at(20)}, // something is left to tidy
		{state: access.GrantEnded, deadline: at(10), residual: at(400)},
	}
	_, list := seed(t, s, acme, len(lives))
	seed(t, s, umbrella, 3)
	update(t, s, func(tx store.Tx) error {
		for i, l := range lives {
			g := list[i]
			g.Deadline, g.ResidualUntil = l.deadline, l.residual
			g, err := advance(tx, g, l.state)
			if err != nil {
				return err
			}
			g.DueAt = l.due
			if err := tx.Grants().Update(g); err != nil {
				return err
			}
		}
		return nil
	})
	for _, test := range []struct {
		limit int
		want  store.LaneCounts
	}{
		{limit: 100, want: store.LaneCounts{
			States: map[access.GrantState]int{
				access.GrantScheduled: 2, access.GrantActivating: 1, access.GrantActive: 3, access.GrantRevoking: 2,
			},
			Due: map[store.Queue]int{store.QueueNew: 1, store.QueueLive: 4}, Overdue: 3, Residual: 1,
		}},
		{limit: 2, want: store.LaneCounts{
			States: map[access.GrantState]int{
				access.GrantScheduled: 2, access.GrantActivating: 1, access.GrantActive: 2, access.GrantRevoking: 2,
			},
			Due: map[store.Queue]int{store.QueueNew: 1, store.QueueLive: 2}, Overdue: 2, Residual: 1,
		}},
	} {
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Grants().Count(ordersLane(acme), at(100), test.limit)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("counted up to %d (-want +got):\n%s", test.limit, diff)
			}
			return err
		})
	}
}
