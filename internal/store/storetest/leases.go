package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func testLeases(t *testing.T, s store.Store) {
	acquire := func(name, holder string, d time.Duration) (got bool, err error) {
		err = s.Update(context.Background(), "lease", func(tx store.Tx) (err error) {
			got, err = tx.Leases().Acquire(name, holder, tx.Now().Add(d))
			return err
		})
		return got, err
	}
	want := func(what string, want bool, name, holder string, d time.Duration) {
		t.Helper()
		if got, err := acquire(name, holder, d); err != nil || got != want {
			t.Errorf("%s: got %t, %v; want %t", what, got, err, want)
		}
	}
	release := func(name, holder string) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return tx.Leases().Release(name, holder) })
	}
	want("free", true, "sweep", "node-1", time.Hour)
	want("another's", false, "sweep", "node-2", time.Hour)
	want("another lease", true, "sequence", "node-2", time.Hour)
	want("renewed", true, "sweep", "node-1", 2*time.Hour)
	release("sweep", "node-2")
	want("released by another", false, "sweep", "node-2", time.Hour)
	release("sweep", "node-1")
	want("released", true, "sweep", "node-2", time.Microsecond)
	// One microsecond later, at the soonest, the next transaction begins.
	want("its time is up", true, "sweep", "node-1", time.Hour)
	want("lost", false, "sweep", "node-2", time.Hour)
	release("nothing", "node-1")

	for what, err := range map[string]error{
		"no name":             second(acquire("", "node-1", time.Hour)),
		"no holder":           second(acquire("sweep", "", time.Hour)),
		"over already":        second(acquire("sweep", "node-1", 0)),
		"a name without end":  second(acquire(strings.Repeat("n", 1000), "node-1", time.Hour)),
		"a holder of no text": second(acquire("free", "a\x00b", time.Hour)),
	} {
		wantKind(t, what, err, access.KindInvalid)
	}
}

func second(_ bool, err error) error { return err }

// testLeaseRace lets 16 nodes take the same free lease at the same time, a few times.
func testLeaseRace(t *testing.T, s store.Store) {
	const nodes, rounds = 16, 5
	for round := range rounds {
		var winners atomic.Int64
		var wg sync.WaitGroup
		for n := range nodes {
			wg.Go(func() {
				got := false
				err := s.Update(context.Background(), "lease", func(tx store.Tx) (err error) {
					got, err = tx.Leases().Acquire(fmt.Sprintf("round-%d", round), fmt.Sprintf("node-%d", n), tx.Now().Add(time.Hour))
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if got {
					winners.Add(1)
				}
			})
		}
		wg.Wait()
		if winners.Load() != 1 {
			t.Errorf("round %d: %d nodes hold the lease", round, winners.Load())
		}
	}
}
