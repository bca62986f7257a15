package server

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/store"
)

// clock is the store's clock for those who cannot wait for the store at each look: connectors and drivers. Deadlines
// come from the store, so whoever holds a target's clock against ours must hold it against that one, and not against
// this machine's, which may go back.
type clock struct {
	store store.Store

	mu sync.Mutex
	// at is what the store said when this machine's monotonic clock stood at read.
	at, read time.Time
}

// clockMaxAge is how long the store is not asked again; in between time goes on as this machine measures it.
const clockMaxAge = time.Second

// newClock reads the store's clock for the first time.
func newClock(ctx context.Context, s store.Store) (*clock, error) {
	at, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	return &clock{store: s, at: at, read: time.Now()}, nil
}

// Now is the store's time. While the store does not answer, time goes on from its last answer.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.read) > clockMaxAge {
		ctx, cancel := context.WithTimeout(context.Background(), clockMaxAge)
		defer cancel()
		if at, err := c.store.Now(ctx); err == nil {
			c.at, c.read = at, time.Now()
		}
	}
	return c.at.Add(time.Since(c.read))
}
