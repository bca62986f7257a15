package enginetest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// LeapClock goes as the system's does, and leaps ahead when it is told to.
type LeapClock struct{ ahead atomic.Int64 }

// Now implements access.Clock.
func (c *LeapClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *LeapClock) leap(by time.Duration) { c.ahead.Add(int64(by)) }

// EndTogether gives Alice n grants of Read, lets all of their deadlines pass at one moment, and has two nodes take them back.
// Each must be read back as gone. It returns how long after that moment each was, shortest first. The company must have
// been made with the clock. What is done with each grant before that, such as to fetch its credential, is in use.
func EndTogether(t testing.TB, w *World, c *LeapClock, n int, use ...func(access.Grant)) []time.Duration {
	t.Helper()
	grants := make([]access.GrantID, n)
	for i := range grants {
		g := w.Obtain(t, w.Engine, Alice, Read)
		grants[i] = g.ID
		for _, f := range use {
			f(g)
		}
	}
	two := w.Node()
	c.leap(2 * time.Hour)
	past := c.Now()
	w.RunNode(w.Engine)
	w.RunNode(two)
	w.awaitEnded(t, n)
	late := make([]time.Duration, n)
	for i, id := range grants {
		g := w.Grant(t, id)
		WantEnd(t, g, access.EndExpired, "")
		late[i] = g.VerifiedAt.Sub(past)
	}
	slices.Sort(late)
	return late
}

// awaitEnded waits until n grants have ended.
func (w *World) awaitEnded(t testing.TB, n int) {
	t.Helper()
	after := int64(0)
	for n > 0 {
		page, err := w.Engine.WaitEvents(t.Context(), w.Who(Carol), engine.LogQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if t.Context().Err() != nil {
			t.Fatalf("%d grants have not ended", n)
		}
		after = page.Next
		n -= countEnded(page)
	}
}

func countEnded(page engine.EventPage) (n int) {
	for _, e := range page.Items {
		if e.Kind == access.EventGrantEnded {
			n++
		}
	}
	return n
}
