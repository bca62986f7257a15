package sqlstore

import (
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// overtaking is how far the readings of a server's clock may come in out of order: they travel on several connections.
const overtaking = 5 * time.Second

// serverClock follows the readings of a server's clock and never goes back. When the server's clock is set back it goes
// on from where it was, by what elapses on the server's clock from then on.
type serverClock struct {
	mu sync.Mutex
	// reading is the newest answer of the server, now is ours.
	reading time.Time
	now     time.Time
}

// newServerClock starts a clock that shows nothing earlier than floor.
func newServerClock(floor time.Time) *serverClock { return &serverClock{now: floor} }

// follow takes a reading in microseconds and returns what the clock shows now.
func (c *serverClock) follow(us int64) time.Time {
	reading := access.FromMicros(us)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch elapsed := reading.Sub(c.reading); {
	case c.reading.IsZero() || elapsed < -overtaking:
		c.reading = reading
	case elapsed > 0:
		c.now = c.now.Add(elapsed)
		c.reading = reading
	}
	if reading.After(c.now) {
		c.now = reading
	}
	return c.now
}
