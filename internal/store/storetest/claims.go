package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func ordersLane(tenant access.TenantID) store.Lane {
	return store.Lane{Tenant: tenant, Connector: "orders-db"}
}

func claim(s store.Store, lane store.Lane, now time.Time, lease string, end time.Time, limit int) (
	list []access.Grant, err error,
) {
	err = s.Update(context.Background(), "claim", func(tx store.Tx) (err error) {
		list, err = takeDue(tx, lane, now, lease, end, limit)
		return err
	})
	return list, err
}

// takeDue claims in a transaction as the engine does: it moves what is due ahead, to the end of a lease.
func takeDue(tx store.Tx, lane store.Lane, now time.Time, lease string, end time.Time, limit int) ([]access.Grant, error) {
	list, err := tx.Grants().Due(lane, now, limit)
	for i := range list {
		g := &list[i]
		g.Lease, g.DueAt = lease, end
		if err := tx.Grants().Update(*g); err != nil {
			return nil, err
		}
		g.Version++
	}
	return list, err
}

// testClaimOnce lets 16 workers claim until nothing is due.
func testClaimOnce(t *testing.T, s store.Store) {
	const workers, total = 16, 200
	seed(t, s, acme, total)
	now, end := at(100), at(1_000_000)
	var mu sync.Mutex
	holders := map[access.GrantID]string{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			lease := fmt.Sprintf("worker-%d", w)
			for {
				list, err := claim(s, ordersLane(acme), now, lease, end, 7)
				if err != nil {
					t.Errorf("%s: %v", lease, err)
				}
				if len(list) == 0 {
					return
				}
				mu.Lock()
				for _, g := range list {
					if other, taken := holders[g.ID]; taken {
						t.Errorf("%s was given to %s and to %s", g.ID, other, lease)
					}
					holders[g.ID] = lease
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(holders) != total {
		t.Fatalf("%d of %d grants were claimed", len(holders), total)
	}
	for id, lease := range holders {
		if g := getGrant(t, s, id); g.Lease != lease || !g.DueAt.Equal(end) {
			t.Errorf("%s is held by %q until %v; want %q until %v", id, g.Lease, g.DueAt, lease, end)
		}
	}
}

// testClaimAgain lets leases of different length run out.
func testClaimAgain(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 3)
	ends := []time.Time{at(300), at(200), at(100)}
	for i, g := range list {
		g.DueAt = at(i)
		if err := updateGrant(s, g); err != nil {
			t.Fatal(err)
		}
	}
	for i, end := range ends {
		got, err := claim(s, ordersLane(acme), at(10), "first", end, 1)
		if err != nil || len(got) != 1 || got[0].ID != list[i].ID {
			t.Fatalf("claim %d: %v, %v; want %s, the earliest due", i, got, err, list[i].ID)
		}
		if stored := getGrant(t, s, got[0].ID); !cmp.Equal(stored, got[0]) {
			t.Errorf("what is claimed is not what is stored:\n%s", cmp.Diff(stored, got[0]))
		}
	}
	if got, err := claim(s, ordersLane(acme), at(99), "second", at(999), 10); err != nil || len(got) != 0 {
		t.Errorf("claimed under a lease: %v, %v", got, err)
	}
	if err := updateGrant(s, list[0]); access.KindOf(err) != access.KindConflict {
		t.Errorf("a writer that read before the claim: got %v, want a conflict", err)
	}
	got, err := claim(s, ordersLane(acme), at(250), "second", at(999), 10)
	if err != nil {
		t.Fatal(err)
	}
	var order []access.GrantID
	for _, g := range got {
		order = append(order, g.ID)
	}
	if diff := cmp.Diff([]access.GrantID{list[2].ID, list[1].ID}, order); diff != "" {
		t.Errorf("after two leases ran out (-want +got):\n%s", diff)
	}
}

func testClaimBounds(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 3)
	lane := ordersLane(acme)
	if got, err := claim(s, lane, at(10), "worker", at(20), -5); err != nil || len(got) != 1 {
		t.Errorf("a limit of -5 claims %d, %v; want it clamped to 1", len(got), err)
	}
	if got, err := claim(s, lane, at(10), "worker", at(20), 1<<40); err != nil || len(got) != len(list)-1 {
		t.Errorf("a limit of 2⁴⁰ claims %d, %v; want the other %d", len(got), err, len(list)-1)
	}

	// A lane stays while something in it is due, even when all of it has ended.
	update(t, s, func(tx store.Tx) error {
		for _, g := range list {
			g.Version++ // the claim
			ended, err := advance(tx, g, access.GrantEnded)
			if err != nil {
				return err
			}
			if ended.ID != list[0].ID {
				continue
			}
			ended.DueAt, ended.Housekeeping = at(30), "drop the role"
			if err := tx.Grants().Update(ended); err != nil {
				return err
			}
		}
		return nil
	})
	lanes := func() (l []store.Lane) {
		view(t, s, func(tx store.Tx) (err error) { l, err = tx.Grants().Lanes(); return })
		return l
	}
	if diff := cmp.Diff([]store.Lane{lane}, lanes()); diff != "" {
		t.Errorf("lanes with housekeeping (-want +got):\n%s", diff)
	}
	got, err := claim(s, lane, at(30), "worker", at(40), 10)
	if err != nil || len(got) != 1 || got[0].State != access.GrantEnded {
		t.Fatalf("an ended grant that is due: claimed %v, %v", got, err)
	}
	got[0].DueAt, got[0].Lease = time.Time{}, ""
	if err := updateGrant(s, got[0]); err != nil {
		t.Fatal(err)
	}
	if l := lanes(); len(l) != 0 {
		t.Errorf("lanes when nothing is left to do: %v", l)
	}
}
