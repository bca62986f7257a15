package sqlstore

import (
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// clock is a clock that never goes back and never stands still while its source runs: it adds up what elapsed between
// readings of the source (by the monotonic clock, where the source has one) and follows the source's wall time when
// that is later. So what is due becomes due by wall time or by elapsed time, whichever is first.
type clock struct {
	source access.Clock

	mu sync.Mutex
	// reading is the source's last answer, now is ours.
	reading time.Time
	now     time.Time
}

// newClock starts a clock that shows nothing earlier than floor.
func newClock(source access.Clock, floor time.Time) *clock {
	return &clock{source: source, reading: source.Now(), now: floor}
}

// Now is UTC in whole microseconds, as times are stored.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	reading := c.source.Now()
	if elapsed := reading.Sub(c.reading); elapsed > 0 {
		c.now = c.now.Add(elapsed)
	}
	c.reading = reading
	// Round(0) drops the monotonic reading, so that wall times are compared.
	if wall := reading.Round(0); wall.After(c.now) {
		c.now = wall
	}
	return c.now.UTC().Truncate(time.Microsecond)
}
