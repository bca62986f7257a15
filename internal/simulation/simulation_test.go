package simulation_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/simulation"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/memstore"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

var (
	runs       = flag.Int("runs", 2000, "how many seeds TestSeeds runs in memory")
	from       = flag.Int("from", 0, "the first of them, to go on with a long series")
	sqliteRuns = flag.Int("sqlite-runs", 20, "how many of them TestStoresAgree runs on SQLite as well")
	seed       = flag.Uint64("seed", 0, "the seed of TestSeed")
)

// enoughRuns is how many get everywhere for certain.
const enoughRuns = 2000

func inMemory(_ testing.TB, c access.Clock) store.Store { return memstore.New(c) }

func onSQLite(t testing.TB, c access.Clock) store.Store {
	t.Helper()
	s, err := sqlstore.OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "books.db"), sqlstore.Options{Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newSetup(t testing.TB) *simulation.Setup {
	t.Helper()
	s, err := simulation.NewSetup()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// explain fails the test with the simplest run that breaks the same promise, and says how to see it again.
func explain(t *testing.T, s *simulation.Setup, open simulation.Opener, n uint64, r simulation.Result) {
	t.Helper()
	simple := simulation.Shrink(t, s, open, r)
	t.Fatalf("seed %d breaks a promise: %v\n%s\nThis is the simplest run found that breaks the same one; again: go test ./internal/simulation -run 'TestSeed$' -seed %d",
		n, r.Broken, strings.Join(simple.Trace, "\n"), n)
}

// TestSeed runs one seed and, with -v, prints what happened.
func TestSeed(t *testing.T) {
	s := newSetup(t)
	r := simulation.Run(t, s, inMemory, *seed)
	t.Logf("\n%s", strings.Join(r.Trace, "\n"))
	if r.Broken != nil {
		explain(t, s, inMemory, *seed, r)
	}
}

// TestSeeds runs many, and sees to it that they get everywhere.
func TestSeeds(t *testing.T) {
	s := newSetup(t)
	var mu sync.Mutex
	reached := map[string]int{}
	t.Run("shards", func(t *testing.T) {
		shards := runtime.GOMAXPROCS(0)
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for n := *from + shard; n < *from+*runs; n += shards {
					r := simulation.Run(t, s, inMemory, uint64(n))
					if r.Broken != nil {
						explain(t, s, inMemory, uint64(n), r)
					}
					mu.Lock()
					for what, times := range r.Reached {
						reached[what] += times
					}
					mu.Unlock()
				}
			})
		}
	})
	for _, what := range places() {
		if reached[what] == 0 && *runs >= enoughRuns && !t.Failed() {
			t.Errorf("in %d runs nobody came to %q", *runs, what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(reached)) {
		t.Logf("%7d %s", reached[what], what)
	}
}

// places are where some of the runs must come to. A simulation that no longer does finds nothing.
func places() []string {
	list := []string{
		"log-in", "lost race", "lease lost", "duplicate", "end: expired", "end: returned", "end: revoked", "end: failed", "end: ineligible",
		"end: attested",
		"trouble: connection breaks", "trouble: hasty answer", "trouble: no answer in time", "trouble: late order", "trouble: node dies",
		"trouble: store fails", "trouble: store commits late", "trouble: store's answer lost", "trouble: target does not answer", "trouble: target fails after the effect",
		"trouble: target fails before the effect", "trouble: target fails half-way", "weather: the observer is blind",
		"weather: the store is down", "weather: the target is down", "weather: what users made is locked",
		"end: removed_at_target", "kept by: a grant", "kept by: standing", "put back", "stray: orphan", "stray: after_end",
		"finding: orphan", "finding: after_end", "finding: foreign", "finding: forged", "shape: own", "shape: bare", "shape: marked",
		"found missing", "announced", "brought forward", "turn of another", "no account",
		"approved: in another's name", "reviewed: in another's stead", "reviewed: by the fall-back", "not begun: the delegation is over",
		"taken back: who has it has left", "taken back: who agreed has left",
		"taken back: who agreed is who asked", "person.linked", "person.unlinked",
		"signed in", "not signed in: over at the provider", "a session goes on", "session.ended",
	}
	for _, name := range engine.Transactions() {
		if !slices.Contains(notSimulated(), name) {
			list = append(list, "commit "+string(name))
		}
	}
	for _, name := range []string{
		"keys-rotated", "reseal", "keys-retired", "forget", "erase", "delegate", "undelegate", "source-synced", "person-decided",
	} {
		list = append(list, "commit "+name)
	}
	return list
}

// notSimulated are the transactions of what no simulated world has: an administrator who accepts a finding, and a Runner,
// and so nobody who takes back without the store or voids leases at a start. Package crash passes each of them.
func notSimulated() []store.TxName {
	return []store.TxName{"accept", "removed-offline", "leases-voided"}
}

func TestSameSeedSameTrace(t *testing.T) {
	s := newSetup(t)
	seen := map[string]int{}
	for n := range 40 {
		a, b := simulation.Run(t, s, inMemory, uint64(n)), simulation.Run(t, s, inMemory, uint64(n))
		if a.Hash != b.Hash {
			t.Errorf("seed %d has the traces %s and %s", n, a.Hash, b.Hash)
		}
		if other, there := seen[a.Hash]; there {
			t.Errorf("seeds %d and %d have the same trace", other, n)
		}
		seen[a.Hash] = n
	}
}

// The store in memory stands in for the real one, so runs on SQLite must be the same to the letter. A store whose clock is
// set back is the exception: SQLite goes on by what has elapsed, and the one in memory waits.
func TestStoresAgree(t *testing.T) {
	s := newSetup(t)
	for n := range *sqliteRuns {
		want := simulation.Run(t, s, inMemory, uint64(n))
		got := simulation.Run(t, s, onSQLite, uint64(n))
		if got.Broken != nil {
			explain(t, s, onSQLite, uint64(n), got)
		}
		if got.Hash != want.Hash && got.Reached["clock set back"] == 0 {
			t.Errorf("seed %d is another run on SQLite", n)
		}
	}
}
