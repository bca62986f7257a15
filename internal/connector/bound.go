package connector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime/debug"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// lane bounds how many calls run at once, and how often one starts.
type lane struct {
	size  int64
	slots *semaphore.Weighted
	rate  *rate.Limiter
}

func newLane(o Options) *lane {
	limit, burst := rate.Inf, 1
	if o.Rate > 0 {
		limit, burst = rate.Limit(o.Rate), max(1, int(math.Ceil(min(o.Rate, 1e6))))
	}
	size := int64(o.Concurrency)
	return &lane{size: size, slots: semaphore.NewWeighted(size), rate: rate.NewLimiter(limit, burst)}
}

// enter waits for a turn. When it returns nil, leave must follow.
func (l *lane) enter(ctx context.Context) error {
	if err := l.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	if err := l.rate.Wait(ctx); err != nil {
		l.leave()
		return err
	}
	return nil
}

func (l *lane) leave() { l.slots.Release(1) }

// drain waits until nothing runs, and lets nothing run after that.
func (l *lane) drain(ctx context.Context) error { return l.slots.Acquire(ctx, l.size) }

// laneOf is where a call waits.
func (c *Connector) laneOf(call Call) *lane {
	if call == CallRevoke || call == CallObserve {
		return c.removals
	}
	return c.others
}

// enter bounds the time of a call and waits for its turn. Without an error, leave must follow; its context is the one
// for the driver.
func (c *Connector) enter(
	ctx context.Context, call Call, actBy time.Time,
) (bounded context.Context, leave func(), err error) {
	if c.closed.Load() {
		return nil, nil, c.errorf(access.KindUnavailable, "is closed")
	}
	limit := c.options.Timeout
	if !actBy.IsZero() {
		limit = min(limit, actBy.Sub(c.options.Clock.Now()))
	}
	if limit <= 0 {
		return nil, nil, c.late(call)
	}
	l := c.laneOf(call)
	bounded, cancel := context.WithTimeout(ctx, limit)
	if err := l.enter(bounded); err != nil {
		cancel()
		return nil, nil, c.noTurn(ctx, call, err)
	}
	leave = func() {
		l.leave()
		cancel()
	}
	// The clock that is handed in need not go as fast as the one behind contexts.
	if !actBy.IsZero() && c.options.Clock.Now().After(actBy) {
		leave()
		return nil, nil, c.late(call)
	}
	return bounded, leave, nil
}

func (c *Connector) late(call Call) error {
	return c.errorf(access.KindTimeout, "was told to %s after the time in which that order may act", call)
}

// noTurn is the error of a call that never reached the driver. It is exhausted, and not a timeout, because it certainly
// had no effect; the caller's own end is told as such.
func (c *Connector) noTurn(ctx context.Context, call Call, err error) error {
	if ctx.Err() != nil {
		return c.classify(ctx, call, err)
	}
	return access.Wrap(access.KindExhausted, err,
		c.sentence("has as many calls under way as it may; "+string(call)+" had no turn, try again later"))
}

// do makes one bounded call.
func do[T any](
	ctx context.Context, c *Connector, call Call, actBy time.Time, f func(context.Context) (T, error),
) (result T, err error) {
	ctx, ended := c.options.Observer.Call(ctx, c.options.Name, call)
	defer func() { ended(err) }()
	bounded, leave, err := c.enter(ctx, call, actBy)
	if err != nil {
		return result, err
	}
	defer leave()
	defer func() {
		if p := recover(); p != nil {
			var none T
			result, err = none, c.panicked(call, p)
		}
	}()
	result, err = f(bounded)
	if err != nil {
		var none T
		return none, c.classify(bounded, call, err)
	}
	return result, nil
}

// stream makes one bounded call that yields. It ends at the first error, when the listener leaves, or with its time.
func stream[T any](
	ctx context.Context, c *Connector, call Call, open func(context.Context) iter.Seq2[T, error],
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		ctx, ended := c.options.Observer.Call(ctx, c.options.Name, call)
		var failure error
		defer func() { ended(failure) }()
		bounded, leave, err := c.enter(ctx, call, time.Time{})
		if err != nil {
			failure = err
			yield(none, err)
			return
		}
		defer leave()
		// A panic is the driver's, and told, unless it comes from the listener.
		listening, over := false, false
		defer func() {
			if listening {
				return
			}
			if p := recover(); p != nil && !over {
				failure = c.panicked(call, p)
				yield(none, failure)
			}
		}()
		for v, err := range open(bounded) {
			if err != nil {
				v, err = none, c.classify(bounded, call, err)
				failure = err
			}
			listening = true
			goOn := yield(v, err)
			listening = false
			if !goOn || err != nil {
				over = true
				return
			}
		}
	}
}

// classify gives a kind to an error that has none, and takes the connector's secrets out of what it says. ctx is the one that
// the call ran under.
func (c *Connector) classify(ctx context.Context, call Call, err error) error {
	return c.options.Secrets.Error(c.withKind(ctx, call, err))
}

func (c *Connector) withKind(ctx context.Context, call Call, err error) error {
	var e *access.Error
	if errors.As(err, &e) {
		return err
	}
	end := ctx.Err()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(end, context.DeadlineExceeded):
		return access.Wrap(access.KindTimeout, err,
			c.sentence(fmt.Sprintf("did not finish %s in the time it had; try again", call)))
	case errors.Is(err, context.Canceled), end != nil:
		return access.Wrap(access.KindUnavailable, err, c.sentence(fmt.Sprintf("was stopped during %s; try again", call)))
	}
	return access.Wrap(access.KindInternal, err,
		c.sentence(fmt.Sprintf("failed to %s in a way that nobody foresaw; the server's log has the detail", call)))
}

// Safely calls f, and makes an error of a panic. It is for the goroutines that a driver starts: a panic in one of them would
// end the process, because who called the driver cannot recover it.
func Safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	return f()
}

// panicked makes an error of a panic in a driver.
func (c *Connector) panicked(call Call, value any) error {
	return access.Wrap(access.KindInternal, panicError(value),
		c.sentence(fmt.Sprintf("crashed during %s; the server's log has the detail", call)))
}

// panicError is the cause of an error that was a panic.
func panicError(value any) error {
	return fmt.Errorf("panic: %s\n%s", secret.DescribePanic(value), debug.Stack())
}

// sentence is a message that names the connector and is safe to show.
func (c *Connector) sentence(predicate string) string {
	return fmt.Sprintf("Connector %s %s.", c.options.Name, predicate)
}

func (c *Connector) errorf(kind access.Kind, format string, args ...any) error {
	return access.Errorf(kind, "%s", c.sentence(fmt.Sprintf(format, args...)))
}
