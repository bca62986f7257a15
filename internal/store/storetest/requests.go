package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func testRequestTransitions(t *testing.T, s store.Store) {
	for _, from := range access.RequestStates() {
		for _, to := range access.RequestStates() {
			r := newRequest(acme, access.RequestID(fmt.Sprintf("req_%s_%s", from, to)))
			update(t, s, func(tx store.Tx) error { return tx.Requests().Insert(r) })
			if from != access.RequestPending {
				r.State, r.SettledAt = from, at(10)
				update(t, s, func(tx store.Tx) error { return tx.Requests().Update(r) })
				r.Version++
			}
			next := r
			next.State, next.SettledAt, next.Reason = to, at(20), "words of the request do not change"
			err := s.Update(context.Background(), "step", func(tx store.Tx) error { return tx.Requests().Update(next) })
			want := r
			if from.CanBecome(to) {
				if err != nil {
					t.Errorf("%s → %s: %v", from, to, err)
				}
				want.State, want.SettledAt, want.Version = to, at(20), r.Version+1
			} else {
				wantKind(t, fmt.Sprintf("%s → %s", from, to), err, access.KindConflict)
			}
			view(t, s, func(tx store.Tx) error {
				got, err := tx.Requests().Get(r.Tenant, r.ID)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s → %s: %v\n%s", from, to, err, diff)
				}
				return nil
			})
		}
	}
	stale := newRequest(acme, "req_stale")
	update(t, s, func(tx store.Tx) error { return tx.Requests().Insert(stale) })
	stale.State, stale.Version = access.RequestDenied, stale.Version-1
	err := s.Update(context.Background(), "stale", func(tx store.Tx) error { return tx.Requests().Update(stale) })
	wantKind(t, "a version that has moved on", err, access.KindConflict)
}

func testLapsing(t *testing.T, s store.Store) {
	lapse := map[access.RequestID]time.Time{"req_a": at(30), "req_b": at(10), "req_c": at(20), "req_never": {}}
	for id, when := range lapse {
		r := newRequest(acme, id)
		r.LapsesAt = when
		update(t, s, func(tx store.Tx) error { return tx.Requests().Insert(r) })
	}
	check := func(now time.Time, limit int, next time.Time, want ...access.RequestID) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			list, err := tx.Requests().Lapsing(acme, now, limit)
			if err != nil {
				return err
			}
			var got []access.RequestID
			for _, r := range list {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lapsing at %v (-want +got):\n%s", now, diff)
			}
			if got, err := tx.Requests().NextLapse(acme); err != nil || !got.Equal(next) {
				t.Errorf("the next lapse is %v, %v; want %v", got, err, next)
			}
			return nil
		})
	}
	check(at(9), 10, at(10))
	check(at(10), 10, at(10), "req_b")
	check(at(25), 10, at(10), "req_b", "req_c")
	check(at(99), 2, at(10), "req_b", "req_c")
	update(t, s, func(tx store.Tx) error {
		r, err := tx.Requests().Get(acme, "req_b")
		if err != nil {
			return err
		}
		r.State, r.SettledAt = access.RequestLapsed, at(10)
		return tx.Requests().Update(r)
	})
	check(at(99), 10, at(20), "req_c", "req_a")
}
