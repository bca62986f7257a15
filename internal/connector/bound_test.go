package connector_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/secret"
)

// hangAll makes every call of the kinds hang until its context ends.
func hangAll(target *memory.Target, calls ...connector.Call) {
	for _, call := range calls {
		target.Inject(memory.Fault{Call: call, Moment: memory.BeforeEffect, Effect: memory.Hang})
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTarget()
		c := newConnector(target.Driver(access.SystemClock{}))
		o := newOrder()
		o.ActBy = o.Start.Add(time.Hour)
		p := prepare(t, c, o)
		hangAll(target, connector.CallDiscover, connector.CallGrant, connector.CallExtend, connector.CallRevoke,
			connector.CallObserve, connector.CallList, connector.CallPrepare)
		for call, f := range every(c, o, p) {
			if call == connector.CallCheck {
				continue
			}
			// The clocks are read beforehand, so that no call spends its time on that.
			if _, err := c.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err := f(t.Context())
			wantKind(t, err, access.KindTimeout)
			if took := time.Since(start); took != connector.DefaultTimeout {
				t.Errorf("%s took %v, want %v", call, took, connector.DefaultTimeout)
			}
		}
		hangAll(target, connector.CallCheck)
		_, err := c.Check(t.Context())
		wantKind(t, err, access.KindTimeout)
	})
}

func TestTheNearestDeadlineCounts(t *testing.T) {
	tests := []struct {
		name           string
		timeout, actBy time.Duration
		ctx, cancel    time.Duration
		want           time.Duration
		kind           access.Kind
	}{
		{"the connector's", 2 * time.Second, time.Minute, time.Minute, time.Minute, 2 * time.Second, access.KindTimeout},
		{"the order's", time.Minute, 3 * time.Second, time.Minute, time.Minute, 3 * time.Second, access.KindTimeout},
		{"the caller's", time.Minute, time.Minute, time.Second, time.Minute, time.Second, access.KindTimeout},
		{"cancelled", time.Minute, time.Minute, time.Minute, time.Second, time.Second, access.KindUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := newTarget()
				c := newConnector(target.Driver(access.SystemClock{}), func(o *connector.Options) { o.Timeout = tt.timeout })
				o := newOrder()
				o.ActBy = o.Start.Add(tt.actBy)
				p := prepare(t, c, o)
				hangAll(target, connector.CallGrant)
				ctx, cancel := context.WithTimeout(t.Context(), tt.ctx)
				defer cancel()
				defer time.AfterFunc(tt.cancel, cancel).Stop()
				start := time.Now()
				_, err := c.Grant(ctx, o, p)
				wantKind(t, err, tt.kind)
				if took := time.Since(start); took != tt.want {
					t.Errorf("it took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

func TestRevocationNeverWaitsBehindGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTarget()
		c := newConnector(target.Driver(access.SystemClock{}), func(o *connector.Options) {
			o.Concurrency, o.Rate = 2, 1
		})
		o := newOrder()
		p := prepare(t, c, o)
		hangAll(target, connector.CallGrant)
		for range 5 {
			go func() { _, _ = c.Grant(t.Context(), o, p) }()
		}
		synctest.Wait()
		start := time.Now()
		if _, err := c.Revoke(t.Context(), o, p); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Revoke waited %v", took)
		}
		if _, err := c.Observe(t.Context(), o, p); err != nil {
			t.Error(err)
		}
	})
}

func TestACallWithoutATurnHadNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTarget()
		d := &counting{Driver: target.Driver(access.SystemClock{})}
		c := newConnector(d, func(o *connector.Options) { o.Concurrency = 1 })
		o := newOrder()
		p := prepare(t, c, o)
		hangAll(target, connector.CallGrant)
		go func() { _, _ = c.Grant(t.Context(), o, p) }()
		synctest.Wait()
		hurried := o
		hurried.ActBy = time.Now().Add(time.Second)
		_, err := c.Grant(t.Context(), hurried, p)
		wantKind(t, err, access.KindExhausted)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Grant(ctx, o, p)
		wantKind(t, err, access.KindTimeout)
		if d.grants != 1 {
			t.Errorf("%d grants reached the driver, want 1", d.grants)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnector(newTarget().Driver(access.SystemClock{}), func(o *connector.Options) { o.Rate = 2 })
		start := time.Now()
		for range 10 {
			if _, err := c.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(start), 4*time.Second; took != want {
			t.Errorf("ten calls at two a second took %v, want %v", took, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.Check(ctx); access.KindOf(err) != access.KindExhausted {
			t.Errorf("a call that could not have its turn in time: %v", err)
		}
	})
}

func TestPanicsAreErrors(t *testing.T) {
	const secretValue = "hunter2-hunter2"
	panics := map[string]func() error{
		"value":   func() error { panic(secretValue) },
		"error":   func() error { panic(errors.New(secretValue)) },
		"runtime": func() error { return []error{}[len(t.Name())] },
		"nil":     func() error { panic(nil) },
	}
	for name, do := range panics {
		t.Run(name, func(t *testing.T) {
			c := newConnector(crooked{do: do})
			for call, f := range every(c, newOrder(), access.Plan{}) {
				err := f(t.Context())
				if access.KindOf(err) != access.KindInternal {
					t.Errorf("%s: %v", call, err)
					continue
				}
				if strings.Contains(err.Error(), secretValue) {
					t.Errorf("%s: the error repeats what the driver panicked with", call)
				}
				if !strings.Contains(access.SafeMessage(err), "orders-db") {
					t.Errorf("%s: the message does not name the connector: %s", call, access.SafeMessage(err))
				}
			}
		})
	}
}

// A target that repeats what it was told is not passed on, neither to users nor to operators, whatever the call.
func TestErrorsHoldNoneOfTheSecrets(t *testing.T) {
	const password = "hunter2-hunter2"
	known := func(o *connector.Options) {
		o.Secrets = secret.NewRedactor("postgres://curfew:" + password + "@db.example/orders")
	}
	for name, do := range map[string]func() error{
		"no kind": func() error { return errors.New("no log-in with " + password) },
		"a kind":  func() error { return access.Errorf(access.KindMisconfigured, "No log-in with %s.", password) },
		"a cause": func() error {
			return access.Wrap(access.KindMisconfigured, errors.New(password+" is wrong"), "The log-in is refused.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConnector(crooked{do: do}, known)
			for call, f := range every(c, newOrder(), access.Plan{}) {
				err := f(t.Context())
				if err == nil || strings.Contains(err.Error(), password) {
					t.Errorf("%s: %v", call, err)
				}
				if kind := access.KindOf(err); name != "no kind" && kind != access.KindMisconfigured {
					t.Errorf("%s: the kind has become %s", call, kind)
				}
			}
		})
	}
}

func TestAListenersPanicIsItsOwn(t *testing.T) {
	c := newConnector(newTarget().Driver(access.SystemClock{}))
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("recovered %v", p)
		}
		// The slot came back all the same.
		if err := lastError(c.Discover(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for range c.Discover(t.Context()) {
		panic("mine")
	}
}

func TestStreamsHeedTheListener(t *testing.T) {
	// A driver that goes on after the listener left is no reason to crash.
	d := crooked{do: func() error { return nil }}
	c := newConnector(d, func(o *connector.Options) { o.Concurrency = 1 })
	for range 3 {
		for range c.List(t.Context()) {
			break
		}
	}
}

func TestEveryErrorHasAKind(t *testing.T) {
	misconfigured := access.Errorf(access.KindMisconfigured, "The group is missing.")
	tests := []struct {
		name string
		err  error
		want access.Kind
	}{
		{"without a kind", errors.New("boom"), access.KindInternal},
		{"the driver's", misconfigured, access.KindMisconfigured},
		{"the driver's, wrapped", fmt.Errorf("granting: %w", misconfigured), access.KindMisconfigured},
		{"deadline", fmt.Errorf("reading: %w", context.DeadlineExceeded), access.KindTimeout},
		{"cancelled", fmt.Errorf("reading: %w", context.Canceled), access.KindUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newConnector(crooked{do: func() error { return tt.err }})
			for call, f := range every(c, newOrder(), access.Plan{}) {
				err := f(t.Context())
				var e *access.Error
				if !errors.As(err, &e) || e.Kind != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("%s: %v of kind %v, want kind %v", call, err, access.KindOf(err), tt.want)
				}
			}
		})
	}
}

// A panic on a goroutine of a driver's own is an error, and repeats no value that could hold a secret.
func TestSafely(t *testing.T) {
	if err := connector.Safely(func() error { return errors.New("as usual") }); err == nil || err.Error() != "as usual" {
		t.Errorf("the error is %v", err)
	}
	if err := connector.Safely(func() error { panic("password=hunter2") }); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the panic became %v", err)
	}
}
