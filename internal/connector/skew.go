package connector

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// skewMaxAge is how old a measurement may be when access is activated.
const skewMaxAge = 30 * time.Second

// skew is the last measurement of a target's clock. Its zero value has none.
type skew struct {
	mu   sync.Mutex
	skew time.Duration
	at   time.Time
}

func (s *skew) measured(skew time.Duration, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew, s.at = skew, at
}

// last is the measurement, and whether it is recent enough.
func (s *skew) last(now time.Time) (skew time.Duration, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skew, !s.at.IsZero() && now.Sub(s.at) < skewMaxAge
}

// refuseSkewed refuses to activate access at a target whose clock is too far from ours, because its deadlines would not
// be ours, or whose clock cannot be read.
func (c *Connector) refuseSkewed(ctx context.Context) error {
	skew, fresh := c.skew.last(c.options.Clock.Now())
	if !fresh {
		if err := c.once(ctx, CallCheck, func(ctx context.Context) error {
			_, err := c.Check(ctx)
			return err
		}); err != nil {
			return err
		}
		skew, _ = c.skew.last(c.options.Clock.Now())
	}
	if skew.Abs() > c.options.SkewLimit {
		return c.errorf(access.KindMisconfigured,
			"gives no new access: the target's clock is %v from ours, and %v is the limit; set the clocks right", skew,
			c.options.SkewLimit)
	}
	return nil
}

// once makes f run once for all who ask for it at the same time. It ends with its own time and not with theirs: who does
// not want to wait leaves alone.
func (c *Connector) once(ctx context.Context, call Call, f func(context.Context) error) error {
	done := c.flights.DoChan(string(call), func() (any, error) { return nil, f(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return c.classify(ctx, call, ctx.Err())
	}
}
