package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// driver is a connection to a Target. Each effect happens under the target's lock, so that it is atomic there and
// Order.ActBy is enforced by the target's own clock.
type driver struct {
	target *Target
	// clock is Curfew's, to be compared with the target's.
	clock  access.Clock
	closed atomic.Bool
}

var _ connector.Driver = (*driver)(nil)

// Driver connects to the target. The clock is Curfew's own.
func (t *Target) Driver(clock access.Clock) connector.Driver {
	return &driver{target: t, clock: clock}
}

// planBody is the driver's part of a plan.
type planBody struct {
	Account string `json:"account"`
}

// accountOf is the name of the account that the plan is about.
func accountOf(p access.Plan) (string, error) {
	var b planBody
	if err := json.Unmarshal(p.Body, &b); err != nil || b.Account == "" || b.Account == OwnAccount {
		return "", access.Errorf(access.KindInvalid, "The plan of this grant was not made by the memory driver.")
	}
	return b.Account, nil
}

// pass lets a call pass a moment, or stops it there.
func (d *driver) pass(ctx context.Context, call connector.Call, m Moment) error {
	if d.closed.Load() {
		return access.Errorf(access.KindUnavailable, "The connection to the target is closed.")
	}
	return d.target.pass(ctx, call, m)
}

// read runs f, which changes nothing, between the first and the last moment of a call.
func (d *driver) read(ctx context.Context, call connector.Call, f func(t *Target) error) error {
	if err := d.pass(ctx, call, BeforeEffect); err != nil {
		return err
	}
	d.target.mu.Lock()
	err := f(d.target)
	d.target.mu.Unlock()
	if err != nil {
		return err
	}
	return d.pass(ctx, call, AfterEffect)
}

// change runs f, which makes access or lengthens it, unless the order has come too late for the target.
func (d *driver) change(o connector.Order, f func(t *Target) error) error {
	d.target.mu.Lock()
	defer d.target.mu.Unlock()
	if !d.target.ignoresActBy && !o.ActBy.IsZero() && d.target.clock.Now().After(o.ActBy) {
		return access.Errorf(access.KindTimeout, "The order reached the target after the time in which it may act.")
	}
	return f(d.target)
}

// sees reports whether the target lets its drivers read: they must at least see themselves. The caller holds the lock.
func (t *Target) sees() bool {
	_, there := t.accounts[OwnAccount]
	return there && !t.blind
}

func errBlind() error {
	return access.Errorf(access.KindMisconfigured, "The account %q cannot read the target's accounts; give that right back.",
		OwnAccount)
}

// own finds the account of that name if it bears the mark: an account of another is as good as none. The caller holds
// the lock.
func (t *Target) own(name string, mark access.Mark) *account {
	if a := t.accounts[name]; a != nil && a.Mark == mark {
		return a
	}
	return nil
}

// Check implements connector.Driver.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	health := connector.Health{Version: "memory"}
	err := d.read(ctx, connector.CallCheck, func(t *Target) error {
		if !t.sees() {
			return errBlind()
		}
		health.Skew = t.clock.Now().Sub(d.clock.Now())
		return nil
	})
	return health, err
}

// Discover implements connector.Driver.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return stream(func() ([]access.Resource, error) {
		var list []access.Resource
		err := d.read(ctx, connector.CallDiscover, func(t *Target) error {
			for _, r := range t.resources {
				list = append(list, r)
			}
			return nil
		})
		slices.SortFunc(list, func(a, b access.Resource) int { return strings.Compare(a.Name, b.Name) })
		return list, err
	})
}

// Prepare implements connector.Driver.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	err := d.read(ctx, connector.CallPrepare, func(t *Target) error { return t.offers(o.Entitlement) })
	if err != nil {
		return access.Plan{}, err
	}
	return d.target.plan(OwnAccount+"-"+strings.ToLower(string(o.Grant)), rightOf(o.Entitlement))
}

// plan is the plan for an account of its own.
func (t *Target) plan(account, right string) (access.Plan, error) {
	body, err := json.Marshal(planBody{Account: account})
	if err != nil {
		return access.Plan{}, fmt.Errorf("writing the plan: %w", err)
	}
	return access.Plan{Atoms: []access.Atom{{Target: t.name, Account: account, Right: right}}, Body: body}, nil
}

func rightOf(e access.Entitlement) string { return e.Resource + ":" + e.Permission }

// offers reports whether the entitlement can be had here. The caller holds the lock.
func (t *Target) offers(e access.Entitlement) error {
	r, there := t.resources[e.Resource]
	if !there {
		return access.Errorf(access.KindNotFound, "The target has no resource %q.", e.Resource)
	}
	if !slices.Contains(r.Permissions, e.Permission) {
		return access.Errorf(access.KindNotFound, "The resource %q has no permission %q.", e.Resource, e.Permission)
	}
	return nil
}

// Grant implements connector.Driver, in two steps: an account that nobody can log in to, then its expiry and password.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	name, err := accountOf(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	if err := d.pass(ctx, connector.CallGrant, BeforeEffect); err != nil {
		return connector.Outcome{}, err
	}
	if err := d.change(o, func(t *Target) error { return t.create(name, o) }); err != nil {
		return connector.Outcome{}, err
	}
	if err := d.pass(ctx, connector.CallGrant, Midway); err != nil {
		return connector.Outcome{}, err
	}
	out := connector.Outcome{NativeExpiry: o.Deadline}
	err = d.change(o, func(t *Target) error {
		out.Credential, err = t.enable(name, o)
		return err
	})
	if err == nil {
		err = d.pass(ctx, connector.CallGrant, AfterEffect)
	}
	if err != nil {
		return connector.Outcome{}, err
	}
	return out, nil
}

// create makes the account unless it is there. The caller holds the lock.
func (t *Target) create(name string, o connector.Order) error {
	if err := t.offers(o.Entitlement); err != nil {
		return err
	}
	a, there := t.accounts[name]
	switch {
	case !there:
		t.accounts[name] = &account{Account: Account{
			Name:       name,
			Mark:       o.Mark,
			Resource:   o.Entitlement.Resource,
			Permission: o.Entitlement.Permission,
			Comment:    o.Principal.String(),
			Expiry:     o.Deadline,
		}}
	case a.Mark != o.Mark:
		return access.Errorf(access.KindConflict, "The account %q is there already and is not of this grant.", name)
	}
	return nil
}

// enable sets the expiry and, if there is somebody to give it to, a new password. The caller holds the lock.
func (t *Target) enable(name string, o connector.Order) (*access.Credential, error) {
	a := t.own(name, o.Mark)
	if a == nil {
		return nil, access.Errorf(access.KindConflict, "The account of this grant was removed while it was being made.")
	}
	a.Expiry = o.Deadline
	if len(o.Recipient) == 0 {
		return nil, nil
	}
	password, err := t.newPassword()
	if err != nil {
		return nil, err
	}
	a.setPassword(password)
	return &access.Credential{
		Username: name, Password: password,
		Env: map[string]string{"TARGET_USER": name}, Files: map[string]string{"TARGET_PASSWORD_FILE": password},
	}, nil
}

// Extend implements connector.Driver.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	name, err := accountOf(p)
	if err != nil {
		return err
	}
	if err := d.pass(ctx, connector.CallExtend, BeforeEffect); err != nil {
		return err
	}
	err = d.change(o, func(t *Target) error {
		a := t.own(name, o.Mark)
		if a == nil {
			return access.Errorf(access.KindNotFound, "The account of this grant is not at the target.")
		}
		a.Expiry = o.Deadline
		return nil
	})
	if err != nil {
		return err
	}
	return d.pass(ctx, connector.CallExtend, AfterEffect)
}

// Revoke implements connector.Driver, in two steps: no more log-ins, then sessions and account. It takes away only, so
// it does not ask whether the order is late: what it removes belongs to this grant alone.
func (d *driver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	name, err := accountOf(p)
	if err != nil {
		return connector.Removal{}, err
	}
	if err := d.pass(ctx, connector.CallRevoke, BeforeEffect); err != nil {
		return connector.Removal{}, err
	}
	d.target.forbid(name, o.Mark)
	if err := d.pass(ctx, connector.CallRevoke, Midway); err != nil {
		return connector.Removal{}, err
	}
	removal := d.target.takeAway(name, o.Mark)
	if err := d.pass(ctx, connector.CallRevoke, AfterEffect); err != nil {
		return connector.Removal{}, err
	}
	return removal, nil
}

// forbid takes the password from the account, so that no session can be opened while the others end.
func (t *Target) forbid(name string, mark access.Mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.own(name, mark); a != nil {
		a.password = ""
	}
}

// takeAway removes the account. Its objects stay.
func (t *Target) takeAway(name string, mark access.Mark) connector.Removal {
	t.mu.Lock()
	defer t.mu.Unlock()
	var removal connector.Removal
	if a := t.own(name, mark); a != nil {
		removal.SessionsEnded = t.remove(a)
	}
	removal.Housekeeping = t.left(name)
	return removal
}

// left says which objects an account that is gone has left behind.
func (t *Target) left(name string) string {
	objects := t.objects[name]
	if _, there := t.accounts[name]; there || len(objects) == 0 {
		return ""
	}
	return fmt.Sprintf("%d objects still belong to %s", len(objects), name)
}

// Tidy implements connector.Driver. It hands on what an account has left behind, where it is not locked.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (left string, err error) {
	name, err := accountOf(p)
	if err != nil {
		return "", err
	}
	if err := d.pass(ctx, connector.CallTidy, BeforeEffect); err != nil {
		return "", err
	}
	left = d.target.handOn(name)
	if err := d.pass(ctx, connector.CallTidy, AfterEffect); err != nil {
		return "", err
	}
	return left, nil
}

func (t *Target) handOn(name string) (left string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if left = t.left(name); left == "" || t.objectsLocked {
		return left
	}
	t.objects[objectHeir] = append(t.objects[objectHeir], t.objects[name]...)
	delete(t.objects, name)
	return ""
}

// Observe implements connector.Driver.
func (d *driver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	name, err := accountOf(p)
	if err != nil {
		return connector.Presence{}, err
	}
	presence := connector.Presence{}
	err = d.read(ctx, connector.CallObserve, func(t *Target) error {
		state := connector.Unknown
		if t.sees() {
			state = connector.Absent
			presence.ReadBy = OwnAccount + " (saw itself)"
			if a := t.own(name, o.Mark); a != nil {
				state = connector.Present
				presence.NativeExpiry = a.Expiry
				presence.Sessions = len(a.sessions)
			}
		}
		for _, atom := range p.Atoms {
			presence.Atoms = append(presence.Atoms, connector.AtomPresence{Atom: atom, State: state})
		}
		return nil
	})
	if err != nil {
		return connector.Presence{}, err
	}
	return presence, nil
}

// List implements connector.Driver.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return stream(func() ([]access.Sighting, error) {
		var list []access.Sighting
		err := d.read(ctx, connector.CallList, func(t *Target) error {
			if !t.sees() {
				return errBlind()
			}
			for _, a := range t.accounts {
				if a.Mark == "" {
					continue
				}
				p, err := t.plan(a.Name, a.Resource+":"+a.Permission)
				if err != nil {
					return err
				}
				list = append(list, access.Sighting{Mark: a.Mark, Atom: p.Atoms[0], Note: a.Comment, Plan: p})
			}
			return nil
		})
		slices.SortFunc(list, func(a, b access.Sighting) int { return strings.Compare(a.Atom.Account, b.Atom.Account) })
		return list, err
	})
}

// stream yields what read returns, or its error. Nothing is held while somebody listens.
func stream[T any](read func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		list, err := read()
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Close implements connector.Driver. The target stays.
func (d *driver) Close() error {
	d.closed.Store(true)
	return nil
}
