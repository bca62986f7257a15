package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

var errOfMember = errors.New("the member's own error")

// inCompany runs n transactions at the same time, so that they share commits. Each writes two policies, one before and
// one after the misfortune of every third. It checks that exactly the others are there afterwards, whole.
func inCompany(t *testing.T, s store.Store, misfortune func() error, check func(error)) {
	const n = 60
	put := func(tx store.Tx, i int, part string) error {
		return tx.Policies().Put(acme, fmt.Sprintf("%d-%s", i, part), []byte("text"))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := s.Update(context.Background(), "company", func(tx store.Tx) error {
				if err := put(tx, i, "before"); err != nil {
					return err
				}
				if i%3 == 0 {
					if err := misfortune(); err != nil {
						return err
					}
				}
				return put(tx, i, "after")
			})
			switch {
			case i%3 == 0:
				check(err)
			case err != nil:
				t.Errorf("transaction %d suffers from another: %v", i, err)
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		for i := range n {
			for _, part := range []string{"before", "after"} {
				_, err := tx.Policies().Get(acme, fmt.Sprintf("%d-%s", i, part))
				if there := err == nil; there != (i%3 != 0) {
					t.Errorf("%s of transaction %d: there is %t", part, i, there)
				}
			}
		}
		return nil
	})
}

func testErrorIsolation(t *testing.T, s store.Store) {
	inCompany(t, s, func() error { return errOfMember }, func(err error) {
		if err != errOfMember { //nolint:errorlint // the very same error is the law
			t.Errorf("got %v, want the member's own error", err)
		}
	})
}

func testPanicIsolation(t *testing.T, s store.Store) {
	inCompany(t, s, func() error { panic("a member panics") }, func(err error) {
		wantKind(t, "a panic", err, access.KindInternal)
	})
	err := s.Update(context.Background(), "exit", func(store.Tx) error { runtime.Goexit(); return nil })
	wantKind(t, "a member that ends its goroutine", err, access.KindInternal)
	update(t, s, func(tx store.Tx) error { return tx.Policies().Put(acme, "after", []byte("text")) })
}

func testErrorIdentity(t *testing.T, s store.Store) {
	ctx := context.Background()
	for name, run := range map[string]func(func(store.Tx) error) error{
		"Update": func(fn func(store.Tx) error) error { return s.Update(ctx, "test", fn) },
		"View":   func(fn func(store.Tx) error) error { return s.View(ctx, fn) },
	} {
		err := run(func(store.Tx) error { return errOfMember })
		if err != errOfMember { //nolint:errorlint // the very same error is the law
			t.Errorf("%s: got %v, want fn's error as it is", name, err)
		}
	}
	// A member that goes on after an error of a repository that it understands is not undone.
	update(t, s, func(tx store.Tx) error {
		if err := tx.Keys().Insert(newKey(acme, 1)); err != nil {
			return err
		}
		if err := tx.Keys().Insert(newKey(acme, 1)); access.KindOf(err) != access.KindConflict {
			return fmt.Errorf("a second key: %w", err)
		}
		return tx.Policies().Put(acme, policyDigest, []byte("text"))
	})
	view(t, s, func(tx store.Tx) error { _, err := tx.Policies().Get(acme, policyDigest); return err })
}

// testRefusedByDatabase overlooks what the database refuses: nothing of the transaction is written all the same.
func testRefusedByDatabase(t *testing.T, s store.Store) {
	beside := func(tx store.Tx) error { return tx.Policies().Put(acme, "beside", []byte("text")) }
	err := s.Update(context.Background(), "refused", func(tx store.Tx) error {
		if err := beside(tx); err != nil {
			return err
		}
		if err := insertKeys(tx, newKey(acme, 1)); err != nil {
			return err
		}
		wantKind(t, "a plan of no grant", tx.Plans().Put(acme, "gr_none", sealedBy(1, []byte("plan"))), access.KindNotFound)
		_, err := tx.Installation().ID()
		wantKind(t, "a call after that", err, access.KindNotFound)
		return nil
	})
	wantKind(t, "a transaction that overlooks it", err, access.KindNotFound)
	err = s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Policies().Get(acme, "beside"); return err })
	wantKind(t, "what was written beside it", err, access.KindNotFound)
	update(t, s, beside)
}

// testWriteSkew has two transactions that each read what the other writes: one of them must see the other's.
func testWriteSkew(t *testing.T, s store.Store) {
	const rounds = 20
	for round := range rounds {
		keys := [2]string{fmt.Sprintf("%d-left", round), fmt.Sprintf("%d-right", round)}
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				err := s.Update(context.Background(), "skew", func(tx store.Tx) error {
					_, err := tx.Policies().Get(acme, keys[1-i])
					if access.KindOf(err) == access.KindNotFound {
						err = tx.Policies().Put(acme, keys[i], []byte("the first one"))
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		written := 0
		view(t, s, func(tx store.Tx) error {
			for _, key := range keys {
				if _, err := tx.Policies().Get(acme, key); err == nil {
					written++
				}
			}
			return nil
		})
		if written != 1 {
			t.Fatalf("round %d: %d of two transactions found the other's write missing; want 1", round, written)
		}
	}
}

func testViewSnapshot(t *testing.T, s store.Store) {
	_, list := seed(t, s, acme, 1)
	view(t, s, func(tx store.Tx) error {
		before, err := tx.Grants().Get(acme, list[0].ID)
		if err != nil {
			return err
		}
		update(t, s, func(tx store.Tx) error {
			if _, err := advance(tx, list[0], access.GrantActive); err != nil {
				return err
			}
			if err := insertKeys(tx, newKey(acme, 1)); err != nil {
				return err
			}
			return tx.Plans().Put(acme, list[0].ID, sealedBy(1, []byte("plan")))
		})
		after, err := tx.Grants().Get(acme, list[0].ID)
		if err != nil || after != before {
			t.Errorf("within a view the grant went from version %d to %d, %v", before.Version, after.Version, err)
		}
		_, err = tx.Plans().Get(acme, list[0].ID)
		wantKind(t, "a plan written after the view began", err, access.KindNotFound)
		return nil
	})
	if g := getGrant(t, s, list[0].ID); g.State != access.GrantActive {
		t.Errorf("the next view sees %s", g.State)
	}
}

// writes are all methods that write, on things that are there.
func writes(l library) map[string]func(store.Tx) error {
	r := l.request
	r.State = access.RequestDenied
	another := newGrant(l.request, "gr_2")
	ended := l.delegation
	ended.EndedAt = at(60)
	return map[string]func(store.Tx) error{
		"Keys.Insert":      func(tx store.Tx) error { return tx.Keys().Insert(newKey(umbrella, 1)) },
		"Keys.Rewrap":      func(tx store.Tx) error { return tx.Keys().Rewrap(l.keys[0], l.keys[0]) },
		"Keys.SetIdle":     func(tx store.Tx) error { return tx.Keys().SetIdle(acme, 1, at(1)) },
		"Policies.Put":     func(tx store.Tx) error { return tx.Policies().Put(acme, "new", []byte("t")) },
		"Requests.Insert":  func(tx store.Tx) error { return tx.Requests().Insert(newRequest(acme, "req_2")) },
		"Requests.Update":  func(tx store.Tx) error { return tx.Requests().Update(r) },
		"Decisions.Append": func(tx store.Tx) error { return tx.Decisions().Append(l.decisions[0]) },
		"Reviews.Insert":   func(tx store.Tx) error { return tx.Reviews().Insert(newReview(r, "rev_9", "person-zo")) },
		"Grants.Insert":    func(tx store.Tx) error { return tx.Grants().Insert(another) },
		"Grants.Update":    func(tx store.Tx) error { return tx.Grants().Update(l.grant) },
		"Plans.Put":        func(tx store.Tx) error { return tx.Plans().Put(acme, l.grant.ID, sealedBy(2, []byte("p"))) },
		"Plans.Reseal": func(tx store.Tx) error {
			return tx.Plans().Reseal(acme, store.SealedPlan{Grant: l.grant.ID, Sealed: sealedBy(1, l.plan)}, sealedBy(2, []byte("p")))
		},
		"Credentials.Put":    func(tx store.Tx) error { return tx.Credentials().Put(acme, l.credential) },
		"Credentials.Delete": func(tx store.Tx) error { return tx.Credentials().Delete(acme, l.grant.ID) },
		"Events.Append":      func(tx store.Tx) error { return tx.Events().Append(newEvent(acme, "ev_9")) },
		"Events.Sequence":    func(tx store.Tx) error { _, err := tx.Events().Sequence(acme, 1); return err },
		"Leases.Acquire": func(tx store.Tx) error {
			_, err := tx.Leases().Acquire("sweep", "node-1", tx.Now().Add(time.Hour))
			return err
		},
		"Leases.Release": func(tx store.Tx) error { return tx.Leases().Release("sweep", "node-1") },
		"Attestations.Insert": func(tx store.Tx) error {
			return tx.Attestations().Insert(newAttestation(l.grant, "person-zo"))
		},
		"Delegations.Insert": func(tx store.Tx) error { return tx.Delegations().Insert(newDelegation("dl_9", "bo", "cy")) },
		"Delegations.End":    func(tx store.Tx) error { return tx.Delegations().End(ended) },
		"Freezes.Insert": func(tx store.Tx) error {
			return tx.Freezes().Insert(newFreeze("fz_2", access.FreezeEverything, ""))
		},
		"Freezes.Update": func(tx store.Tx) error { return tx.Freezes().Update(l.freeze) },
		"Freezes.Delete": func(tx store.Tx) error { return tx.Freezes().Delete(acme, l.freeze.ID) },
	}
}

func testViewReadOnly(t *testing.T, s store.Store) {
	l := newLibrary()
	update(t, s, l.write)
	for name, write := range writes(l) {
		if err := s.View(context.Background(), write); err == nil {
			t.Errorf("%s in a view succeeds", name)
		}
	}
	var got library
	view(t, s, func(tx store.Tx) (err error) { got, err = readLibrary(tx); return })
	if got.grant != l.grant || len(got.reviews) != len(l.reviews) || len(got.events) != len(l.events) {
		t.Errorf("a view changed something: %+v", got)
	}
	// The same calls succeed in an update; otherwise the above says nothing.
	for name, write := range writes(l) {
		err := s.Update(context.Background(), "write", func(tx store.Tx) error {
			if err := write(tx); err != nil {
				t.Errorf("%s in an update: %v", name, err)
			}
			return errOfMember
		})
		if !errors.Is(err, errOfMember) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testEndedTx(t *testing.T, s store.Store) {
	var kept []store.Tx
	keep := func(tx store.Tx) error { kept = append(kept, tx); return nil }
	update(t, s, keep)
	view(t, s, keep)
	for _, tx := range kept {
		if _, err := tx.Installation().ID(); err == nil {
			t.Error("a transaction answers after its end")
		}
		if err := tx.Policies().Put(acme, "late", []byte("text")); err == nil {
			t.Error("a transaction writes after its end")
		}
	}
}

func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Update(ctx, "cancelled", func(tx store.Tx) error { return tx.Policies().Put(acme, "x", []byte("text")) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update: got %v, want it to wrap the end of the context", err)
	}
	err = s.View(ctx, func(tx store.Tx) error { _, err := tx.Installation().ID(); return err })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("View: got %v, want it to wrap the end of the context", err)
	}
	err = s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Policies().Get(acme, "x"); return err })
	wantKind(t, "what a cancelled transaction would have written", err, access.KindNotFound)
}

func testClock(t *testing.T, s store.Store) {
	var last time.Time
	check := func(what string, now time.Time) {
		t.Helper()
		if now.Before(last) || now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
			t.Errorf("%s: %v after %v; want UTC, whole microseconds, never back", what, now, last)
		}
		last = now
	}
	for range 50 {
		now, err := s.Now(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		check("Now", now)
		both := func(tx store.Tx) error {
			check("Tx.Now", tx.Now())
			if again := tx.Now(); !again.Equal(last) {
				t.Errorf("a transaction went from %v to %v", last, again)
			}
			return nil
		}
		update(t, s, both)
		view(t, s, both)
	}
}

func testClosed(t *testing.T, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	never := func(store.Tx) error { t.Error("a transaction ran on a closed store"); return nil }
	wantKind(t, "Update", s.Update(ctx, "late", never), access.KindUnavailable)
	wantKind(t, "View", s.View(ctx, never), access.KindUnavailable)
	_, err := s.Now(ctx)
	wantKind(t, "Now", err, access.KindUnavailable)
}
