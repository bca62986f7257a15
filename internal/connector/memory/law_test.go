package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

func TestLaw(t *testing.T) {
	connectortest.Run(t, newHarness(newTestTarget()))
}

// handClock stands until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) moveTo(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.now) {
		c.now = at
	}
}

const standingPassword = "the password of somebody who was there before"

// newTestTarget is a target with two entitlements on one resource, a neighbour and somebody with standing access.
func newTestTarget() *Target {
	t := NewTarget(Options{
		Name:  "target",
		Clock: &handClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		Resources: []access.Resource{
			{Name: "orders", Permissions: []string{"read", "write"}},
			{Name: "users", Permissions: []string{"read"}},
		},
	})
	standing := Account{Name: "standing", Resource: "orders", Permission: "read"}
	neighbour := Account{Name: "alice", Resource: "users", Permission: "read"}
	if err := errors.Join(t.AddAccount(standing, standingPassword), t.AddAccount(neighbour, "")); err != nil {
		panic(err)
	}
	return t
}

func orders(permission string) access.Entitlement {
	return access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: permission}
}

// newHarness is the law's view of the target.
func newHarness(target *Target) *connectortest.Harness {
	clock := target.clock.(*handClock)
	return &connectortest.Harness{
		Open:        func(testing.TB) connector.Driver { return target.Driver(clock) },
		Traits:      traits(),
		Clock:       clock,
		Entitlement: orders("read"),
		Another:     orders("write"),
		Login: func(_ context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
			return login(target, e, c.Username, c.Password)
		},
		Snapshot:  func(_ testing.TB, without ...access.Mark) string { return target.Snapshot(without...) },
		WaitPast:  func(_ testing.TB, at time.Time) { clock.moveTo(at.Add(time.Microsecond)) },
		Interrupt: disturb(target, Die),
		Stall:     disturb(target, Hang),
		Points:    int(moments),
		Blind: func(testing.TB) func() {
			target.SetBlind(true)
			return func() { target.SetBlind(false) }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) {
			if err := target.AddAccount(Account{Name: "curfew-of-others", Mark: mark}, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { target.RemoveAccount("curfew-of-others") })
		},
		MakeObject: func(t testing.TB, c access.Credential) {
			s, err := target.Login(c.Username, c.Password)
			if err == nil {
				err = s.MakeObject("report")
				t.Cleanup(func() { target.DropObject("report") })
				s.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		Standing: func(t testing.TB) connectortest.Session {
			s, err := login(target, orders("read"), "standing", standingPassword)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
}

func disturb(target *Target, effect Effect) func(testing.TB, connector.Call, int) connectortest.Disturbance {
	return func(_ testing.TB, call connector.Call, point int) connectortest.Disturbance {
		reached, disarm := target.Inject(Fault{Call: call, Moment: Moment(point), Effect: effect, Times: 1})
		return connectortest.Disturbance{Reached: reached, Back: func() {
			disarm()
			target.Revive()
		}}
	}
}

// lawSession is a Session as the law sees it.
type lawSession struct {
	*Session
	entitlement access.Entitlement
}

func login(target *Target, e access.Entitlement, username, password string) (connectortest.Session, error) {
	s, err := target.Login(username, password)
	if err != nil {
		return nil, lawError(err)
	}
	return lawSession{Session: s, entitlement: e}, nil
}

func (s lawSession) Use(context.Context) error {
	return lawError(s.Session.Use(s.entitlement.Resource, s.entitlement.Permission))
}

func lawError(err error) error {
	if errors.Is(err, ErrRefused) {
		return fmt.Errorf("%w: %w", connectortest.ErrRefused, err)
	}
	return err
}
