package sqlstore

import (
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// overtaking is how far the readings of a server's clock may come in out of order: they travel on several connections.
const overtaking = 5 * time.Second

// serverClock follows the readings of a server's clock and never goes back. When the server's clock is set back it goes
// on from where it was, by what elapses from then on.
type serverClock struct {
	mu sync.Mutex
	// reading is the newest answer of the server, here is when it came by this machine's clock, now is ours.
	reading, here time.Time
	now           time.Time
}

// newServerClock starts a clock that shows nothing earlier than floor.
func newServerClock(floor time.Time) *serverClock { return &serverClock{now: floor} }

// follow takes a reading in microseconds, which came just now by this machine's clock, and returns what the clock shows.
//
// What leaps ahead of the time that passed here has been set, or comes from before it was set on a slower connection: it
// counts as far as it is later than what the clock shows, and is not added to it. Otherwise answers that are late when the
// server's clock is set back would add all of that, each time that one comes between others.
func (c *serverClock) follow(us int64, here time.Time) time.Time {
	reading := access.FromMicros(us)
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed, passed := reading.Sub(c.reading), max(0, here.Sub(c.here))
	switch {
	case c.reading.IsZero():
		c.reading, c.here = reading, here
	case elapsed < -overtaking:
		c.now = c.now.Add(passed)
		c.reading, c.here = reading, here
	case elapsed > 0:
		c.now = c.now.Add(min(elapsed, passed))
		c.reading, c.here = reading, here
	}
	if reading.After(c.now) {
		c.now = reading
	}
	return c.now
}
