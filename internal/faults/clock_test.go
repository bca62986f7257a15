package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestTargetClock sets the clock of the target a minute ahead, or back: nothing more is activated there, and what is
// there is taken back. When it is right again, everything goes on.
func TestTargetClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		version int
		by      time.Duration
	}{{"ahead", 15, time.Minute}, {"behind", 18, -time.Minute}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: c.version, OwnClock: true})})
			n := w.addNode(curfewdtest.ProcessOptions{})
			ask := person{w: w, node: n}
			there := ask.obtain(4)
			shift(t, w.target.Postgres, c.by)
			refused := []access.RequestID{w.untilClockRefuses(n)}
			for range 4 {
				id, err := ask.submit("db/orders:read", brief)
				if err != nil {
					t.Fatal(err)
				}
				refused = append(refused, id)
			}
			for _, id := range there {
				if err := ask.giveBack(id); err != nil {
					t.Error(err)
				}
			}
			w.until("what was there is taken back", func() error { return w.ended(n, there) })
			w.until("nothing is activated", func() error { return w.clockRefuses(n, refused...) })
			shift(t, w.target.Postgres, 0)
			w.until("access begins when the clock is right", func() error { return w.nothingBegins(n) })
			w.verdict()
		})
	}
}

// TestStoreClock has the clock of the books jump, under two nodes. By less than targets may differ, nobody minds. By more,
// what is due then ends early, and nothing begins: the clock of the books does not go back, and so is wrong from then on.
func TestStoreClock(t *testing.T) {
	t.Parallel()
	books := curfewdtest.StartPostgres(t, localpeer.PostgresOptions{Version: 15, OwnClock: true})
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 15}), store: books})
	w.addNode(curfewdtest.ProcessOptions{})
	n := w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	for _, by := range []time.Duration{0, 3 * time.Second, 0, -3 * time.Second, 0} {
		shift(t, books, by)
		l.more(12)
	}
	l.finish()

	ask := person{w: w, node: n}
	there := ask.obtain(2)
	early, err := ask.submit("db/orders:read", "9m")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := ask.active(early); !ok {
		t.Fatal("the grant does not become active")
	}
	shift(t, books, 10*time.Minute)
	w.until("what is due by the clock ends", func() error {
		left, err := w.listUnended(n)
		// Somebody whose answer was lost may not have given back what lasts long.
		if err == nil && slices.ContainsFunc(left, func(g client.Grant) bool { return !lastsLong(g) }) {
			err = errNotYet
		}
		return err
	})
	refused := w.untilClockRefuses(n)
	shift(t, books, 0)
	for _, id := range there {
		if err := ask.giveBack(id); err != nil {
			t.Error(err)
		}
	}
	w.until("taking back works with a clock that was set back", func() error { return w.ended(n, there) })
	w.until("nothing is activated by it", func() error { return w.clockRefuses(n, refused) })
	shift(t, books, 15*time.Minute) // the time for the activation runs out
	w.verdict()
}

func shift(t *testing.T, pg *localpeer.Postgres, by time.Duration) {
	t.Helper()
	if err := pg.ShiftClock(by); err != nil {
		t.Fatal(err)
	}
}

// obtain asks for long access until there is so much of it, with credentials.
func (p person) obtain(n int) []access.GrantID {
	p.w.Helper()
	var all []access.GrantID
	p.w.until("access is obtained", func() error {
		id, err := p.submit("db/orders:read", long)
		if err != nil {
			return err
		}
		grant, ok := p.active(id)
		if !ok {
			return errNotYet
		}
		p.credential(grant)
		if all = append(all, grant); len(all) < n {
			return errNotYet
		}
		return nil
	})
	return all
}

// ended reports an error until none of the grants is left.
func (w *world) ended(n *node, grants []access.GrantID) error {
	left, err := w.listUnended(n)
	if err != nil {
		return err
	}
	for _, g := range left {
		if slices.Contains(grants, access.GrantID(g.ID)) {
			return fmt.Errorf("%w: %s is %s: %s", errNotYet, g.ID, g.State, g.LastError)
		}
	}
	return nil
}

// untilClockRefuses asks for access until it is refused because of a clock: what was measured last counts for a while.
func (w *world) untilClockRefuses(n *node) (refused access.RequestID) {
	w.Helper()
	w.until("the clock is noticed", func() error {
		id, err := person{w: w, node: n}.submit("db/orders:read", brief)
		if err != nil {
			return err
		}
		if _, active := (person{w: w, node: n}).active(id); active {
			return errNotYet
		}
		refused = id
		return w.clockRefuses(n, id)
	})
	return refused
}

// clockRefuses reports an error until the grants of the requests wait because of a clock.
func (w *world) clockRefuses(n *node, requests ...access.RequestID) error {
	grants, err := w.listUnended(n)
	if err != nil {
		return err
	}
	waiting := map[access.RequestID]bool{}
	for _, g := range grants {
		if access.GrantState(g.State) == access.GrantScheduled && strings.Contains(g.LastError, "clock") {
			waiting[access.RequestID(g.Request)] = true
		}
	}
	for _, id := range requests {
		if !waiting[id] {
			return fmt.Errorf("%w: %s does not wait for a clock", errNotYet, id)
		}
	}
	return nil
}
