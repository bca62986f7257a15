package connector

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// Defaults of Options.
const (
	DefaultTimeout     = 15 * time.Second
	DefaultConcurrency = 8
	DefaultSkewLimit   = 5 * time.Second
	DefaultReconcile   = 5 * time.Minute
)

// MaxTimeout is the longest Options.Timeout that a configuration may ask for.
const MaxTimeout = 10 * time.Minute

// AccountRule says who a principal is at a target. Its error ends a sentence and is safe to show.
type AccountRule interface {
	Account(p access.Principal) (string, error)
}

// Options are what the configuration says of a connector, whatever its type.
type Options struct {
	Name access.ConnectorName
	Type Type
	// Labels are the connector's; those of a resource overlay them.
	Labels map[string]string
	Owners Owners
	// Timeout bounds each call, the waiting for its turn included. Zero means DefaultTimeout.
	Timeout time.Duration
	// Concurrency is how many calls run at once, and again as many that take access back or read it back. Zero means
	// DefaultConcurrency.
	Concurrency int
	// Rate is how many calls may start in a second, counted like Concurrency. Zero means any number.
	Rate float64
	// SkewLimit is how far the target's clock may be from ours before no access is activated there. Zero means
	// DefaultSkewLimit.
	SkewLimit time.Duration
	// Reconcile is how often the target is compared with the books. Zero means DefaultReconcile.
	Reconcile time.Duration
	// Account says who a principal is at the target; nil where the type asks for no account.
	Account AccountRule
	// Secrets are those that the driver was given. A target may repeat them in what it says; they are taken out of every
	// error.
	Secrets secret.Redactor
	// Clock is Curfew's own. Nil is the system's.
	Clock access.Clock
	// Observer watches the calls. Nil is nobody.
	Observer Observer
}

// Connector is a Driver made safe to call: each call has a deadline and waits for a slot, a panic is an error, every
// error has a kind and none of the driver's secrets, an order that came too late never reaches the target, and a credential
// leaves only sealed and never outlives its grant. It also keeps the catalogue of what can be asked for. It is safe for concurrent use.
type Connector struct {
	driver  Driver
	options Options
	// removals take access back or read; they never wait behind the others.
	removals, others *lane
	flights          singleflight.Group
	skew             skew
	catalogue        catalogue
	closed           atomic.Bool
}

var _ Driver = (*Connector)(nil)

// New wraps a driver, which belongs to the Connector from then on.
func New(driver Driver, o Options) *Connector {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	o.SkewLimit = cmp.Or(o.SkewLimit, DefaultSkewLimit)
	o.Reconcile = cmp.Or(o.Reconcile, DefaultReconcile)
	o.Labels = maps.Clone(o.Labels)
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	if o.Clock == nil {
		o.Clock = access.SystemClock{}
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	return &Connector{
		driver:   driver,
		options:  o,
		removals: newLane(o),
		others:   newLane(o),
	}
}

// Name is the connector's name in the configuration.
func (c *Connector) Name() access.ConnectorName { return c.options.Name }

// Type is the connector's type.
func (c *Connector) Type() Type { return c.options.Type }

// Timeout bounds each call.
func (c *Connector) Timeout() time.Duration { return c.options.Timeout }

// Reconcile is how often the target is compared with the books.
func (c *Connector) Reconcile() time.Duration { return c.options.Reconcile }

// Account is who the principal is at the target; empty where the type asks for no account. Its error is a sentence for
// the principal.
func (c *Connector) Account(p access.Principal) (string, error) {
	switch {
	case !c.options.Type.Traits.Accounts:
		return "", nil
	case c.options.Account == nil:
		return "", c.errorf(access.KindMisconfigured, "has no rule for accounts; an administrator must write account: in its configuration")
	}
	account, err := c.options.Account.Account(p)
	if err != nil {
		return "", access.Errorf(access.KindDenied,
			"It cannot be told which account you have at the connector %s: %v. Ask an administrator to complete your entry in the directory.", c.options.Name, err)
	}
	return account, nil
}

// Labels are the connector's, overlaid by the resource's own. They are shared: nobody changes them.
func (c *Connector) Labels(r access.Resource) map[string]string {
	if len(r.Labels) == 0 {
		return c.options.Labels
	}
	labels := maps.Clone(c.options.Labels)
	maps.Copy(labels, r.Labels)
	return labels
}

// Check implements Driver. What it reads of the clock decides whether access can be activated.
func (c *Connector) Check(ctx context.Context) (Health, error) {
	health, err := do(ctx, c, CallCheck, time.Time{}, c.driver.Check)
	if err == nil {
		c.skew.measured(health.Skew, c.options.Clock.Now())
	}
	return health, err
}

// Discover implements Driver, without a cache; Resources has one. The deadline includes the time that the listener
// takes.
func (c *Connector) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return stream(ctx, c, CallDiscover, c.driver.Discover)
}

// Prepare implements Driver. It refuses while the target's clock is too far from ours.
func (c *Connector) Prepare(ctx context.Context, o Order) (access.Plan, error) {
	if err := c.refuseSkewed(ctx); err != nil {
		return access.Plan{}, err
	}
	return do(ctx, c, CallPrepare, time.Time{}, func(ctx context.Context) (access.Plan, error) {
		plan, err := c.driver.Prepare(ctx, o)
		if err != nil {
			return access.Plan{}, err
		}
		return plan, c.checkAtoms(plan)
	})
}

// checkAtoms refuses rights that the books have no room for.
func (c *Connector) checkAtoms(p access.Plan) error {
	for _, a := range p.Atoms {
		if longest := max(len(a.Target), len(a.Account), len(a.Right)); longest > access.MaxAtomText {
			return c.errorf(access.KindInvalid, "names a right or an account in %d bytes, and at most %d can be kept", longest, access.MaxAtomText)
		}
	}
	return nil
}

// Grant implements Driver. The Outcome holds the credential sealed to Order.Recipient, and never in clear text. It
// refuses while the target's clock is too far from ours. An error may leave access at the target: what failed half-way is
// revoked.
func (c *Connector) Grant(ctx context.Context, o Order, p access.Plan) (Outcome, error) {
	if err := c.checkOrder(o); err != nil {
		return Outcome{}, err
	}
	if err := c.refuseSkewed(ctx); err != nil {
		return Outcome{}, err
	}
	return do(ctx, c, CallGrant, o.ActBy, func(ctx context.Context) (Outcome, error) {
		out, err := c.driver.Grant(ctx, o, p)
		if err != nil {
			return Outcome{}, err
		}
		return c.seal(o, out)
	})
}

// Extend implements Driver.
func (c *Connector) Extend(ctx context.Context, o Order, p access.Plan) error {
	if err := c.checkOrder(o); err != nil {
		return err
	}
	_, err := do(ctx, c, CallExtend, o.ActBy, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.driver.Extend(ctx, o, p)
	})
	return err
}

// Revoke implements Driver. Order.ActBy may be zero, because taking back needs no permission to be late; where it is
// set, it holds.
func (c *Connector) Revoke(ctx context.Context, o Order, p access.Plan) (Removal, error) {
	return do(ctx, c, CallRevoke, o.ActBy, func(ctx context.Context) (Removal, error) {
		return c.driver.Revoke(ctx, o, p)
	})
}

// Observe implements Driver. An atom of the plan that the driver is silent about is unknown.
func (c *Connector) Observe(ctx context.Context, o Order, p access.Plan) (Presence, error) {
	presence, err := do(ctx, c, CallObserve, time.Time{}, func(ctx context.Context) (Presence, error) {
		return c.driver.Observe(ctx, o, p)
	})
	if err != nil {
		return Presence{}, err
	}
	return complete(presence, p), nil
}

// Tidy implements Driver.
func (c *Connector) Tidy(ctx context.Context, o Order, p access.Plan) (left string, err error) {
	return do(ctx, c, CallTidy, time.Time{}, func(ctx context.Context) (string, error) {
		return c.driver.Tidy(ctx, o, p)
	})
}

// List implements Driver. The deadline includes the time that the listener takes.
func (c *Connector) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return stream(ctx, c, CallList, c.driver.List)
}

// Close refuses new calls, waits for those under way, but no longer than they may take, and closes the driver. It may be
// called again.
func (c *Connector) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	// A call that does not return in its time must not keep the process from ending.
	_ = errors.Join(c.removals.drain(ctx), c.others.drain(ctx))
	return c.driver.Close()
}

// checkOrder refuses orders that could make access without an end.
func (c *Connector) checkOrder(o Order) error {
	switch {
	case o.ActBy.IsZero():
		return c.errorf(access.KindInternal, "was given an order without a time to act by; this is a defect of Curfew")
	case o.Deadline.IsZero():
		return c.errorf(access.KindInternal, "was given an order without a deadline; this is a defect of Curfew")
	case len(o.Recipient) > 0:
		if err := secret.CheckRecipient(o.Recipient); err != nil {
			return access.Errorf(access.KindInvalid, "The key that the credential shall be sealed to cannot be used: %v.", err)
		}
	}
	return nil
}
