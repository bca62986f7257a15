package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testUpcoming reads what is due soon page by page: in order, each once, and nothing that is due later, never, or in
// another queue.
func testUpcoming(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 9)
	update(t, s, func(tx store.Tx) error {
		for i, g := range list {
			var err error
			if g, err = advance(tx, g, access.GrantActive); err != nil {
				return err
			}
			g.DueAt = at(100 + i/2) // two at a time
			if i == 7 {
				g.DueAt = at(0) // long due
			}
			if err := tx.Grants().Update(g); err != nil {
				return err
			}
		}
		return tx.Grants().Insert(newGrant(newRequest(acme, "req_1"), "gr_new"))
	})
	want := []access.GrantID{"gr_000008", "gr_000001", "gr_000002", "gr_000003", "gr_000004", "gr_000005", "gr_000006"}
	lane := ordersLane(acme)
	lane.Queue = store.QueueLive
	for _, limit := range []int{1, 2, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var got []access.GrantID
			var from store.Due
			for page := limit; page == limit; {
				view(t, s, func(tx store.Tx) error {
					items, err := tx.Grants().Upcoming(lane, from, at(102), limit)
					for _, g := range items {
						got = append(got, g.ID)
						from = store.Due{At: g.DueAt, ID: g.ID}
					}
					page = len(items)
					return err
				})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
