package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// newRestore is a restore at a moment, with every field set that one may have before it is settled.
func newRestore(tenant access.TenantID, n int) store.Restore {
	return store.Restore{
		Tenant: tenant, KeyGeneration: 1, At: at(n), TakenAt: at(n - 1), Kept: store.Place{Position: 7, Event: "ev_7"},
		Lost: store.Place{Position: 9, Event: "ev_9"}, VoidTokens: []store.TokenMAC{{1, 2, 3}, {4}}, MAC: []byte{5, 0, 6},
	}
}

func testRestores(t *testing.T, s store.Store) {
	first, second := newRestore(acme, 1), store.Restore{Tenant: acme, KeyGeneration: 2, At: at(2), MAC: []byte{1}}
	update(t, s, func(tx store.Tx) error { return tx.Restores().Insert(second) })
	update(t, s, func(tx store.Tx) error { return tx.Restores().Insert(first) })
	ctx := context.Background()
	again := s.Update(ctx, "again", func(tx store.Tx) error { return tx.Restores().Insert(newRestore(acme, 1)) })
	wantKind(t, "a second restore at the same moment", again, access.KindConflict)
	update(t, s, func(tx store.Tx) error { return tx.Restores().Settle(acme, first.At, at(3)) })
	first.SettledAt = at(3)
	for name, of := range map[string]struct {
		tenant access.TenantID
		n      int
	}{"twice": {acme, 1}, "of another tenant": {umbrella, 2}, "that is not there": {acme, 3}} {
		err := s.Update(ctx, "settle", func(tx store.Tx) error { return tx.Restores().Settle(of.tenant, at(of.n), at(4)) })
		wantKind(t, "settling a restore "+name, err, access.KindConflict)
	}
	var got, others []store.Restore
	view(t, s, func(tx store.Tx) (err error) {
		if got, err = tx.Restores().List(acme); err != nil {
			return err
		}
		others, err = tx.Restores().List(umbrella)
		return err
	})
	if diff := cmp.Diff([]store.Restore{first, second}, got); diff != "" || len(others) > 0 {
		t.Errorf("the restores (-want +got), and %d of another tenant:\n%s", len(others), diff)
	}
}
