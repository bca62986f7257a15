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

func getGrant(t testing.TB, s store.Store, id access.GrantID) (g access.Grant) {
	t.Helper()
	view(t, s, func(tx store.Tx) (err error) { g, err = tx.Grants().Get(acme, id); return })
	return g
}

func updateGrant(s store.Store, g access.Grant) error {
	return s.Update(context.Background(), "grant", func(tx store.Tx) error { return tx.Grants().Update(g) })
}

// testIllegalUpdateIsNoEnd goes on in a transaction that was refused an update.
func testIllegalUpdateIsNoEnd(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 2)
	update(t, s, func(tx store.Tx) error {
		illegal := list[0]
		illegal.State = access.GrantActive
		wantKind(t, "an illegal transition", tx.Grants().Update(illegal), access.KindConflict)
		legal := list[1]
		legal.LastError = "touched"
		return tx.Grants().Update(legal)
	})
	if g := getGrant(t, s, list[1].ID); g.LastError != "touched" {
		t.Error("what came after a refused update was not written")
	}
}

func testGrantTransitions(t *testing.T, s store.Store) {
	states := access.GrantStates()
	_, list := seed(t, s, acme, len(states)*len(states))
	for i, g := range list {
		from, to := states[i/len(states)], states[i%len(states)]
		update(t, s, func(tx store.Tx) (err error) { g, err = advance(tx, g, from); return })
		next := g
		next.State, next.LastError = to, "touched"
		err := updateGrant(s, next)
		want := g
		if from == to || from.CanBecome(to) {
			if err != nil {
				t.Errorf("%s → %s: %v", from, to, err)
			}
			want.State, want.LastError, want.Version = to, "touched", g.Version+1
		} else {
			wantKind(t, fmt.Sprintf("%s → %s", from, to), err, access.KindConflict)
		}
		if diff := cmp.Diff(want, getGrant(t, s, g.ID)); diff != "" {
			t.Errorf("%s → %s (-want +got):\n%s", from, to, diff)
		}
	}
}

func testGrantIdentity(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 1)
	want := list[0]
	g := want
	g.Request, g.Principal, g.Person, g.CreatedAt = "req_2", principal("eve"), "person-eve", at(99)
	g.Entitlement.Permission, g.Account = "write", "eve_db"
	if err := updateGrant(s, g); err != nil {
		t.Fatal(err)
	}
	want.Account, want.Version = g.Account, want.Version+1
	if diff := cmp.Diff(want, getGrant(t, s, want.ID)); diff != "" {
		t.Errorf("more than the account changed (-want +got):\n%s", diff)
	}
}

func testEndedFrozen(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 1)
	var ended access.Grant
	update(t, s, func(tx store.Tx) (err error) { ended, err = advance(tx, list[0], access.GrantEnded); return })
	frozen := map[string]func(*access.Grant){
		"State":         func(g *access.Grant) { g.State = access.GrantRevoking },
		"EndReason":     func(g *access.Grant) { g.EndReason = access.EndAttested },
		"Account":       func(g *access.Grant) { g.Account = "x" },
		"Duration":      func(g *access.Grant) { g.Duration++; g.Duration += time.Hour },
		"StartAt":       func(g *access.Grant) { g.StartAt = at(900) },
		"ActivatedAt":   func(g *access.Grant) { g.ActivatedAt = at(900) },
		"Deadline":      func(g *access.Grant) { g.Deadline = at(900) },
		"EndedAt":       func(g *access.Grant) { g.EndedAt = at(900) },
		"VerifiedAt":    func(g *access.Grant) { g.VerifiedAt = at(900) },
		"VerifiedBy":    func(g *access.Grant) { g.VerifiedBy = "x" },
		"ResidualUntil": func(g *access.Grant) { g.ResidualUntil = at(900) },
		"ExtendTo":      func(g *access.Grant) { g.ExtendTo = at(900) },
		"SessionsEnded": func(g *access.Grant) { g.SessionsEnded++ },
		"KeptBy":        func(g *access.Grant) { g.KeptBy = "standing" },
	}
	for field, change := range frozen {
		g := ended
		change(&g)
		wantKind(t, "changing "+field, updateGrant(s, g), access.KindConflict)
	}
	if diff := cmp.Diff(ended, getGrant(t, s, ended.ID)); diff != "" {
		t.Errorf("an ended grant changed (-want +got):\n%s", diff)
	}
	kept := ended
	kept.DueAt, kept.Lease, kept.Attempt, kept.ActBy = at(900), "worker", 9, at(901)
	kept.Failures, kept.LastError, kept.Housekeeping = 3, "locked", "drop the role"
	if err := updateGrant(s, kept); err != nil {
		t.Errorf("bookkeeping after the end: %v", err)
	}
	kept.Version++
	if diff := cmp.Diff(kept, getGrant(t, s, ended.ID)); diff != "" {
		t.Errorf("bookkeeping after the end (-want +got):\n%s", diff)
	}
}

// testEndVerified has a grant that was activated end without having been read back, by every way in.
func testEndVerified(t *testing.T, s store.Store) {
	r, list := seed(t, s, acme, 2)
	revoking := list[0]
	revoking.ActivatedAt = at(5)
	update(t, s, func(tx store.Tx) (err error) { revoking, err = advance(tx, revoking, access.GrantRevoking); return })
	unseen := revoking
	unseen.State, unseen.EndReason, unseen.EndedAt = access.GrantEnded, access.EndExpired, at(50)
	wantKind(t, "an end that nobody has seen", updateGrant(s, unseen), access.KindInvalid)

	inserted := newGrant(r, "gr_inserted")
	inserted.State, inserted.EndReason, inserted.ActivatedAt = access.GrantEnded, access.EndExpired, at(5)
	err := s.Update(context.Background(), "insert", func(tx store.Tx) error { return tx.Grants().Insert(inserted) })
	wantKind(t, "a grant that is inserted so", err, access.KindInvalid)

	seen := unseen
	seen.VerifiedAt, seen.VerifiedBy = at(49), "observer"
	if err := updateGrant(s, seen); err != nil {
		t.Errorf("an end that was read back: %v", err)
	}
	attested := list[1]
	attested.ActivatedAt = at(5)
	update(t, s, func(tx store.Tx) (err error) { attested, err = advance(tx, attested, access.GrantRevoking); return })
	attested.State, attested.EndReason, attested.EndedAt = access.GrantEnded, access.EndAttested, at(50)
	if err := updateGrant(s, attested); err != nil {
		t.Errorf("an end that is attested: %v", err)
	}
}

// testCompareAndSwap lets 100 goroutines change the same version of a grant, a few times.
func testCompareAndSwap(t *testing.T, s store.Store) {
	const writers, rounds = 100, 5
	_, list := seed(t, s, acme, 1)
	for round := range rounds {
		g := getGrant(t, s, list[0].ID)
		var wins, conflicts atomic.Int64
		var winner atomic.Value
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				mine := g
				mine.LastError = fmt.Sprintf("round %d, writer %d", round, w)
				switch err := updateGrant(s, mine); {
				case err == nil:
					wins.Add(1)
					winner.Store(mine.LastError)
				case access.KindOf(err) == access.KindConflict:
					conflicts.Add(1)
				default:
					t.Errorf("writer %d: %v", w, err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 || conflicts.Load() != writers-1 {
			t.Fatalf("round %d: %d won and %d lost; want 1 and %d", round, wins.Load(), conflicts.Load(), writers-1)
		}
		now := getGrant(t, s, g.ID)
		if now.Version != g.Version+1 || now.LastError != winner.Load() {
			t.Fatalf("round %d: version %d holds %q; want %d and %q", round, now.Version, now.LastError, g.Version+1,
				winner.Load())
		}
	}
}
