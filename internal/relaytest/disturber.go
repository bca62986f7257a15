package relaytest

import (
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// Points is how many points of a call a Disturber can disturb it at. Each message that goes either way is one: 0 is
// before the first request reaches the server, 1 is before its answer comes back, and so on.
const Points = 6

// Disturber is a Relay between a driver and its target, which cuts or holds what is said at the point that it is armed for.
type Disturber struct {
	*Relay

	mu    sync.Mutex
	armed *disturbance
}

// disturbance is armed until it is reached, then in force until back.
type disturbance struct {
	cut     bool
	left    int
	reached chan struct{}
	back    chan struct{}
}

// NewDisturber carries until the end of the test.
func NewDisturber(t testing.TB, server string) *Disturber {
	t.Helper()
	p := &Disturber{}
	p.Relay = New(t, server, p.pass)
	t.Cleanup(p.disarm)
	return p
}

// pass counts a message against what is armed. It reports whether the message may go on, after holding it if need be.
func (p *Disturber) pass(Message) bool {
	d := p.reach()
	switch {
	case d == nil:
		return true
	case d.cut:
		p.Cut()
		return false
	}
	<-d.back
	return true
}

// reach is what is in force for the next message, if anything is.
func (p *Disturber) reach() *disturbance {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.armed
	if d == nil {
		return nil
	}
	if d.left > 0 {
		d.left--
		return nil
	}
	closeOnce(d.reached)
	return d
}

// disarm lets go what is held.
func (p *Disturber) disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.armed != nil {
		closeOnce(p.armed.back)
		p.armed = nil
	}
}

// closeOnce closes a channel that may be closed; the proxy's lock is held.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// Arm makes a capability of the law's harness: cut, or else hold.
func (p *Disturber) Arm(cut bool) func(testing.TB, connector.Call, int) connectortest.Disturbance {
	return func(_ testing.TB, _ connector.Call, point int) connectortest.Disturbance {
		d := &disturbance{cut: cut, left: point, reached: make(chan struct{}), back: make(chan struct{})}
		p.mu.Lock()
		p.armed = d
		p.mu.Unlock()
		return connectortest.Disturbance{Reached: d.reached, Back: func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			closeOnce(d.back)
			if p.armed == d {
				p.armed = nil
			}
		}}
	}
}
