package connectortest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func faultCases() []Case {
	cases := []Case{
		{Name: "a call whose context has ended does nothing", run: endedContext},
		{Name: "a cancelled call returns and leaves nothing that revoke cannot remove",
			needs: []Capability{Stall}, run: cancelledCalls},
	}
	for _, call := range connector.Calls() {
		cases = append(cases, Case{
			Name:  fmt.Sprintf("the target dies in the middle of %s and comes back", call),
			needs: []Capability{Interrupt},
			run:   func(l *law) { l.targetDies(call) },
		})
	}
	return cases
}

func endedContext(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	l.takeBackAtEnd(o, p)
	before := l.h.Snapshot(l.TB)
	ctx, cancel := context.WithCancel(l.ctx())
	cancel()
	for _, call := range connector.Calls() {
		order, plan := o, p
		if call == connector.CallRevoke || call == connector.CallExtend {
			order, plan = l.again(g.order), g.plan
			order.Deadline = order.Deadline.Add(life)
		}
		err := l.promptly(call, func() error { return invoke(ctx, l.d, call, order, plan) })
		l.wantInterrupted(err, string(call)+" with a cancelled context")
		l.wantUnchanged(before, "after "+string(call)+" with a cancelled context")
	}
	l.login(g, "after calls with a cancelled context")
}

// promptly runs f, whose context has ended, and fails the case if it does not return.
func (l *law) promptly(call connector.Call, f func() error) error {
	l.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	return l.await(call, done)
}

func (l *law) await(call connector.Call, done <-chan error) error {
	l.Helper()
	patience := l.h.Patience
	if patience == 0 {
		patience = 10 * time.Second
	}
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		l.Fatalf("%s does not return after its context has ended", call)
		return nil
	}
}

// wantInterrupted fails the case unless err means that the context's end stopped the call.
func (l *law) wantInterrupted(err error, when string) {
	l.Helper()
	if err == nil {
		l.Fatalf("%s: no error", when)
	}
	if k := access.KindOf(err); k != access.KindUnavailable && k != access.KindTimeout {
		l.Fatalf("%s: the error is of kind %q, want %q or %q: %v", when, k, access.KindUnavailable, access.KindTimeout, err)
	}
}

// arm arms a disturbance and makes sure that it ends.
func (l *law) arm(disturb func(testing.TB, connector.Call, int) Disturbance, call connector.Call, point int) Disturbance {
	d := disturb(l.TB, call, point)
	d.Back = sync.OnceFunc(d.Back)
	l.Cleanup(d.Back)
	return d
}

// eachPoint disturbs a call at each of its points. A target may leave one out; a call that has missed two in a row was over
// before, and comes to none that is later.
func (l *law) eachPoint(disturb func(point int) (reached bool)) {
	missed := 0
	for point := 0; point < max(1, l.h.Points) && missed < 2; point++ {
		missed++
		if disturb(point) {
			missed = 0
		}
	}
}

func cancelledCalls(l *law) {
	for _, call := range connector.Calls() {
		l.eachPoint(func(point int) bool { return l.cancelled(call, point) })
	}
}

// cancelled cancels a call while the target does not answer, if the call comes to that point.
func (l *law) cancelled(call connector.Call, point int) (reached bool) {
	l.Helper()
	before := l.h.Snapshot(l.TB)
	g := l.stage(call)
	stall := l.arm(l.h.Stall, call, point)
	ctx, cancel := context.WithCancel(l.ctx())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- invoke(ctx, l.d, call, g.order, g.plan) }()
	select {
	case <-stall.Reached:
		reached = true
		cancel()
		err := l.await(call, done)
		if point == 0 {
			l.wantInterrupted(err, string(call)+", cancelled while the target does not answer")
		}
	case err := <-done:
		if point == 0 {
			l.Fatalf("%s returned before it was stalled: %v", call, err)
		}
	case <-ctx.Done():
		l.Fatalf("%s neither reached the stall nor returned", call)
	}
	stall.Back()
	l.comesBack(g, before, fmt.Sprintf("%s, cancelled at point %d", call, point))
	return reached
}

// stage prepares what the call needs: an order that is granted for those that come after Grant.
func (l *law) stage(call connector.Call) granted {
	l.Helper()
	o := l.order(l.h.Entitlement)
	if call == connector.CallPrepare || call == connector.CallGrant {
		g := granted{order: o, plan: l.prepare(o)}
		l.takeBackAtEnd(o, g.plan)
		return g
	}
	g := l.give(o)
	g.order = l.again(g.order)
	return g
}

// retry makes a call until it succeeds, as the engine does, and only as often as stale connections excuse.
func (l *law) retry(when string, f func() error) {
	l.Helper()
	var err error
	for range comebackTries {
		if err = f(); err == nil || access.KindOf(err) != access.KindUnavailable {
			break
		}
	}
	if err != nil {
		l.Fatalf("%s: the call fails though the target is back: %v", when, err)
	}
}

// comesBack takes the grant back after a disturbance and fails the case unless everything is as it was. An order that was
// held on its way may arrive after Revoke, until its ActBy, and a server takes its time over it: so what is read as gone is
// looked at once more, and taken back again if need be, as the engine does.
func (l *law) comesBack(g granted, before, when string) {
	l.Helper()
	for try, gone := 0, 0; try < lateTries && gone < 2; try++ {
		l.retry("Revoke after "+when, func() error {
			_, err := l.d.Revoke(l.ctx(), bare(l.again(g.order)), g.plan)
			return err
		})
		gone++
		if l.h.Traits.Settle == 0 && l.observe(g).State() == connector.Present {
			gone = 0
		} else if l.tidy(g); l.h.Snapshot(l.TB) != before {
			gone = 0
		}
		l.pause(lateLook)
	}
	l.wantGone(g, "after "+when+", and Revoke")
	l.tidy(g)
	l.wantUnchanged(before, "after "+when+", and Revoke")
}

// pause waits, or until the test ends.
func (l *law) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.Context().Done():
	}
}

// targetDies cuts the call off at each point, once to go on as if nothing had happened and once to take back at once
// what was half done.
func (l *law) targetDies(call connector.Call) {
	l.eachPoint(func(point int) bool {
		on, back := l.dies(call, point, true), l.dies(call, point, false)
		return on || back
	})
}

// dies cuts one call, if it comes to that point. Whatever the target did before it died, the driver says unavailable, never claims what is not so,
// and finds its way back.
func (l *law) dies(call connector.Call, point int, repeat bool) (reached bool) {
	l.Helper()
	when := fmt.Sprintf("%s, interrupted at point %d", call, point)
	before := l.h.Snapshot(l.TB)
	g := l.stage(call)
	var open Session
	if call == connector.CallRevoke {
		open = l.login(g, "before "+when)
	}
	cut := l.arm(l.h.Interrupt, call, point)
	err := l.interrupted(call, g, when)
	select {
	case <-cut.Reached:
		reached = true
		if point == 0 || err != nil {
			l.wantKind(err, when, access.KindUnavailable)
		}
	default:
		if point == 0 {
			l.Fatalf("%s: the call never reached the target", when)
		}
		if err != nil {
			l.Fatalf("%s: the call was not cut, and failed: %v", when, err)
		}
	}
	cut.Back()
	if repeat {
		g = l.repeat(call, g, when)
	}
	l.comesBack(g, before, when)
	if open != nil && l.h.Traits.EndsSessions {
		l.wantEnded(open, "after "+when)
	}
	return reached
}

// interrupted makes the call under its disturbance. A read that claims absence is the worst that can happen here.
func (l *law) interrupted(call connector.Call, g granted, when string) error {
	l.Helper()
	if call != connector.CallObserve {
		return invoke(l.ctx(), l.d, call, g.order, g.plan)
	}
	p, err := l.d.Observe(l.ctx(), g.order, g.plan)
	if err == nil && p.State() == connector.Absent {
		l.Fatalf("%s: Observe says absent of a live grant", when)
	}
	return err
}

// repeat makes the call again now that the target is back. Access that it concerns works afterwards.
func (l *law) repeat(call connector.Call, g granted, when string) granted {
	l.Helper()
	g.order = l.again(g.order)
	l.retry(string(call)+" after "+when, func() error {
		if call != connector.CallGrant {
			return invoke(l.ctx(), l.d, call, g.order, g.plan)
		}
		var err error
		if g.outcome, err = l.d.Grant(l.ctx(), g.order, g.plan); err != nil {
			return err
		}
		return checkOutcome(l.h.Traits, g.order, g.outcome)
	})
	if call == connector.CallGrant || call == connector.CallExtend {
		l.login(g, "after "+when+", and again")
	}
	return g
}
