package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func laneOf(g access.Grant) store.Lane {
	return store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector}
}

// atomLane is the lane of the cases about atoms.
func atomLane() store.Lane { return store.Lane{Tenant: acme, Connector: "orders-db"} }

// lease asks for the turn at the right "reader" until a span after the transaction's now.
func lease(s store.Store, holder string, span time.Duration) (a store.Atom, turn store.Turn, err error) {
	err = s.Update(context.Background(), "lease", func(tx store.Tx) (err error) {
		a, turn, err = tx.Atoms().Lease(atomLane(), newAtom("reader"), holder, tx.Now().Add(span))
		return err
	})
	return a, turn, err
}

// wantTurn fails the test unless asking has this answer.
func wantTurn(t testing.TB, s store.Store, holder string, span time.Duration, want store.Turn) store.Atom {
	t.Helper()
	a, turn, err := lease(s, holder, span)
	if err != nil || turn != want {
		t.Fatalf("%s asks for the turn: answer %d, %v; want %d (%+v)", holder, turn, err, want, a)
	}
	return a
}

func release(t testing.TB, s store.Store, a store.Atom) {
	t.Helper()
	update(t, s, func(tx store.Tx) error { return tx.Atoms().Release(a) })
}

// testAtomTurns lets many grants ask at once: one has the turn, and the others learn whose it is.
func testAtomTurns(t *testing.T, s store.Store) {
	const grants = 30
	var winners atomic.Int64
	var won atomic.Value
	var wg sync.WaitGroup
	for i := range grants {
		wg.Go(func() {
			id := fmt.Sprintf("gr_%d", i)
			switch a, turn, err := lease(s, id, time.Hour); {
			case err != nil:
				t.Error(err)
			case turn == store.TurnBegun:
				winners.Add(1)
				won.Store(a)
			case turn == store.TurnContinued || a.Lease == "" || a.LeaseEnd.IsZero():
				t.Errorf("who does not get the turn is not told whose it is: %d, %+v", turn, a)
			}
		})
	}
	wg.Wait()
	if winners.Load() != 1 {
		t.Fatalf("%d grants have the turn at once", winners.Load())
	}
	first := won.Load().(store.Atom)
	same := wantTurn(t, s, first.Lease, time.Minute, store.TurnContinued)
	if !same.LeaseEnd.Equal(first.LeaseEnd) || same.Fence <= first.Fence {
		t.Errorf("continued for a shorter time, %+v became %+v; want the later end and a higher fence", first, same)
	}
	longer := wantTurn(t, s, first.Lease, 2*time.Hour, store.TurnContinued)
	if !longer.LeaseEnd.After(first.LeaseEnd) || !longer.LeasedAt.Equal(first.LeasedAt) {
		t.Errorf("continued, %+v became %+v; want a later end and the same beginning", first, longer)
	}
	release(t, s, first)
	foreign := longer
	foreign.Lease = "gr_other"
	release(t, s, foreign)
	wantTurn(t, s, "gr_other", time.Hour, store.TurnRefused)
	release(t, s, longer)
	wantTurn(t, s, "gr_other", time.Hour, store.TurnBegun)
	_, _, err := lease(s, "", time.Hour)
	wantKind(t, "a turn of nobody", err, access.KindInvalid)
	_, _, err = lease(s, "gr_1", 0)
	wantKind(t, "a turn without time", err, access.KindInvalid)
}

// testAtomTurnEnds takes turns that are over as soon as the clock has gone on.
func testAtomTurnEnds(t *testing.T, s store.Store) {
	begun := wantTurn(t, s, "gr_1", time.Microsecond, store.TurnBegun)
	passTime(t, s, begun.LeaseEnd)
	next := wantTurn(t, s, "gr_2", time.Hour, store.TurnBegun)
	if next.Lease != "gr_2" || next.LeasedAt.Before(begun.LeaseEnd) || next.Fence <= begun.Fence {
		t.Errorf("after %+v the turn is %+v", begun, next)
	}
	if again := wantTurn(t, s, "gr_1", time.Hour, store.TurnRefused); again.Lease != "gr_2" {
		t.Errorf("who is refused is told %+v", again)
	}
}

// passTime asks the store's clock until it is past the moment.
func passTime(t testing.TB, s store.Store, moment time.Time) {
	t.Helper()
	for {
		now, err := s.Now(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if now.After(moment) {
			return
		}
	}
}

func testAtomSettle(t *testing.T, s store.Store) {
	settle := func(a store.Atom) error {
		return s.Update(context.Background(), "settle", func(tx store.Tx) error { return tx.Atoms().Settle(a) })
	}
	mine := wantTurn(t, s, "gr_1", time.Hour, store.TurnBegun)
	if mine.Standing || mine.Maker != "" {
		t.Errorf("a new right is %+v", mine)
	}
	mine.Standing, mine.Maker = true, "gr_1"
	if err := settle(mine); err != nil {
		t.Fatal(err)
	}
	got := wantTurn(t, s, "gr_1", time.Hour, store.TurnContinued)
	if !got.Standing || got.Maker != "gr_1" || got.Atom != newAtom("reader") || got.Lane != atomLane() {
		t.Errorf("settled as %+v", got)
	}
	wantKind(t, "settling in a turn that was continued since", settle(mine), access.KindConflict)
	other := got
	other.Lease = "gr_2"
	wantKind(t, "settling in another's turn", settle(other), access.KindConflict)
	release(t, s, got)
	wantKind(t, "settling after the turn", settle(got), access.KindConflict)
	short := wantTurn(t, s, "gr_1", time.Microsecond, store.TurnBegun)
	passTime(t, s, short.LeaseEnd)
	wantKind(t, "settling when the turn is over", settle(short), access.KindConflict)
}

func testAtomHolders(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 3)
	reader, writer := newAtom("reader"), newAtom("writer")
	update(t, s, func(tx store.Tx) error {
		for i, g := range list {
			if err := tx.Atoms().Hold(atomLane(), g.ID, []access.Atom{reader, writer}[:1+i%2]); err != nil {
				return err
			}
		}
		return tx.Atoms().Hold(atomLane(), list[2].ID, []access.Atom{writer})
	})
	holders := func(a access.Atom) (ids []access.GrantID) {
		view(t, s, func(tx store.Tx) error {
			found, err := tx.Atoms().Holders(atomLane(), a)
			for _, g := range found {
				ids = append(ids, g.ID)
			}
			return err
		})
		return ids
	}
	check := func(when string, a access.Atom, want ...access.GrantID) {
		t.Helper()
		if diff := cmp.Diff(want, holders(a)); diff != "" {
			t.Errorf("%s: holders of %s (-want +got):\n%s", when, a.Right, diff)
		}
	}
	check("at first", reader, "gr_000001", "gr_000002")
	check("at first", writer, "gr_000002", "gr_000003")
	var since time.Time
	update(t, s, func(tx store.Tx) error {
		since = tx.Now()
		return tx.Atoms().Drop(acme, "gr_000002")
	})
	check("after a drop", reader, "gr_000001")
	check("after a drop", writer, "gr_000003")
	update(t, s, func(tx store.Tx) error { _, err := advance(tx, list[0], access.GrantEnded); return err })
	check("when a grant has ended", reader)

	view(t, s, func(tx store.Tx) error {
		dropped, err := tx.Atoms().Dropped(atomLane(), since, 10)
		if err != nil || len(dropped) != 2 || dropped[0].Grant != "gr_000002" || dropped[0].Right <= dropped[1].Right {
			t.Errorf("dropped: %+v, %v; want both rights of gr_000002, the last in order first", dropped, err)
		}
		later, err := tx.Atoms().Dropped(atomLane(), since.Add(time.Hour), 10)
		if err != nil || len(later) != 0 {
			t.Errorf("dropped in the future: %+v, %v", later, err)
		}
		return nil
	})
}
