package connector_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/secret"
)

// newTarget is a target with orders-db/orders:read and :write, by the clock of the test's bubble.
func newTarget() *memory.Target {
	return memory.NewTarget(memory.Options{
		Resources: []access.Resource{{
			Name:        "orders",
			Labels:      map[string]string{"env": "prod", "table": "orders"},
			Permissions: []string{"read", "write"},
		}},
	})
}

// newConnector wraps a driver of the memory type.
func newConnector(d connector.Driver, change ...func(*connector.Options)) *connector.Connector {
	o := connector.Options{Name: "orders-db", Type: memory.Type()}
	for _, f := range change {
		f(&o)
	}
	return connector.New(d, o)
}

// handClock stands until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock { return &handClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

func (c *handClock) use(o *connector.Options) { o.Clock = c }

func newOrder() connector.Order {
	now := time.Now()
	return connector.Order{
		Grant:       "gr_1",
		Attempt:     1,
		ActBy:       now.Add(time.Minute),
		Mark:        "mark",
		Tenant:      access.DefaultTenant,
		Principal:   access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"},
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
		Start:       now,
		Deadline:    now.Add(time.Hour),
	}
}

func newRecipient(t *testing.T) *secret.RecipientKey {
	t.Helper()
	k, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func prepare(t *testing.T, c connector.Driver, o connector.Order) access.Plan {
	t.Helper()
	p, err := c.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantKind(t *testing.T, err error, want access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != want {
		t.Errorf("error %v of kind %v, want kind %v", err, access.KindOf(err), want)
	}
}

// every makes every call once, and returns its error.
func every(c connector.Driver, o connector.Order, p access.Plan) map[connector.Call]func(context.Context) error {
	return map[connector.Call]func(context.Context) error{
		connector.CallCheck:    func(ctx context.Context) error { _, err := c.Check(ctx); return err },
		connector.CallDiscover: func(ctx context.Context) error { return lastError(c.Discover(ctx)) },
		connector.CallPrepare:  func(ctx context.Context) error { _, err := c.Prepare(ctx, o); return err },
		connector.CallGrant:    func(ctx context.Context) error { _, err := c.Grant(ctx, o, p); return err },
		connector.CallExtend:   func(ctx context.Context) error { return c.Extend(ctx, o, p) },
		connector.CallRevoke:   func(ctx context.Context) error { _, err := c.Revoke(ctx, o, p); return err },
		connector.CallObserve:  func(ctx context.Context) error { _, err := c.Observe(ctx, o, p); return err },
		connector.CallList:     func(ctx context.Context) error { return lastError(c.List(ctx)) },
	}
}

func lastError[T any](seq iter.Seq2[T, error]) error {
	var last error
	for _, err := range seq {
		last = err
	}
	return last
}

// crooked does in every call what the function says, and nothing else.
type crooked struct {
	connector.Driver
	do func() error
}

func (d crooked) Check(context.Context) (connector.Health, error) { return connector.Health{}, d.do() }

func (d crooked) Discover(context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) { yield(access.Resource{}, d.do()) }
}

func (d crooked) Prepare(context.Context, connector.Order) (access.Plan, error) {
	return access.Plan{}, d.do()
}

func (d crooked) Grant(context.Context, connector.Order, access.Plan) (connector.Outcome, error) {
	return connector.Outcome{}, d.do()
}

func (d crooked) Extend(context.Context, connector.Order, access.Plan) error { return d.do() }

func (d crooked) Revoke(context.Context, connector.Order, access.Plan) (connector.Removal, error) {
	return connector.Removal{}, d.do()
}

func (d crooked) Observe(context.Context, connector.Order, access.Plan) (connector.Presence, error) {
	return connector.Presence{}, d.do()
}

func (d crooked) List(context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) { yield(access.Sighting{}, d.do()) }
}

// counting counts the calls that reach the driver, and can replace some.
type counting struct {
	connector.Driver
	checks, grants, discoveries int
	outcome                     func(connector.Outcome) connector.Outcome
	discover                    func() iter.Seq2[access.Resource, error]
}

func (d *counting) Check(ctx context.Context) (connector.Health, error) {
	d.checks++
	return d.Driver.Check(ctx)
}

func (d *counting) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	d.grants++
	out, err := d.Driver.Grant(ctx, o, p)
	if d.outcome != nil {
		out = d.outcome(out)
	}
	return out, err
}

func (d *counting) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	d.discoveries++
	if d.discover != nil {
		return d.discover()
	}
	return d.Driver.Discover(ctx)
}
