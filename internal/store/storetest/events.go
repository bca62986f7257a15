package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func listEvents(t testing.TB, s store.Store, f store.EventFilter, after int64, limit int) (rows []store.EventRow) {
	t.Helper()
	view(t, s, func(tx store.Tx) (err error) { rows, err = tx.Events().List(acme, f, after, limit); return })
	return rows
}

// sequence numbers up to limit events of the tenant.
func sequence(t testing.TB, s store.Store, tenant access.TenantID, limit int) (n int) {
	t.Helper()
	update(t, s, func(tx store.Tx) (err error) { n, err = tx.Events().Sequence(tenant, limit); return })
	return n
}

// testEvents appends from many goroutines, two events a transaction.
func testEvents(t *testing.T, s store.Store) {
	const writers = 16
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			err := s.Update(t.Context(), "events", func(tx store.Tx) error {
				first := newEvent(acme, access.EventID(fmt.Sprintf("ev_%02d_first", w)))
				second := newEvent(acme, access.EventID(fmt.Sprintf("ev_%02d_second", w)))
				second.Request, second.Grant, second.Personal = "req_2", "", nil
				if err := tx.Events().Append(first); err != nil {
					return err
				}
				return tx.Events().Append(second)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sequence(t, s, acme, 1000)

	all := listEvents(t, s, store.EventFilter{}, 0, 1000)
	if len(all) != 2*writers {
		t.Fatalf("%d events; want %d", len(all), 2*writers)
	}
	place := map[access.EventID]int{}
	for i, e := range all {
		place[e.ID] = i
		if e.Position != int64(i+1) {
			t.Errorf("event %d of the log has position %d", i+1, e.Position)
		}
	}
	for w := range writers {
		first, second := fmt.Sprintf("ev_%02d_first", w), fmt.Sprintf("ev_%02d_second", w)
		if place[access.EventID(first)] > place[access.EventID(second)] {
			t.Errorf("%s was written before %s and stands behind it", first, second)
		}
	}

	var paged []store.EventRow
	for after, more := int64(0), true; more; {
		rows := listEvents(t, s, store.EventFilter{}, after, 5)
		if more = len(rows) > 0; more {
			after = rows[len(rows)-1].Position
		}
		paged = append(paged, rows...)
	}
	if diff := cmp.Diff(all, paged); diff != "" {
		t.Errorf("read in pieces (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		filter store.EventFilter
		want   int
	}{
		{store.EventFilter{Request: "req_1"}, writers},
		{store.EventFilter{Request: "req_2"}, writers},
		{store.EventFilter{Grant: "gr_1"}, writers},
		{store.EventFilter{Request: "req_2", Grant: "gr_1"}, 0},
	} {
		if rows := listEvents(t, s, c.filter, 0, 1000); len(rows) != c.want {
			t.Errorf("%+v finds %d events; want %d", c.filter, len(rows), c.want)
		}
	}
	want := newEvent(acme, "ev_00_first")
	got := all[place[want.ID]]
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(store.EventRow{}, "Position")); diff != "" {
		t.Errorf("an event between others (-want +got):\n%s", diff)
	}
}
