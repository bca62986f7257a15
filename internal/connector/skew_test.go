package connector_test

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

func TestSkewRefusesActivation(t *testing.T) {
	ours, theirs := newHandClock(), newHandClock()
	target := memory.NewTarget(memory.Options{
		Clock:     theirs,
		Resources: []access.Resource{{Name: "orders", Permissions: []string{"read"}}},
	})
	d := &counting{Driver: target.Driver(ours)}
	c := newConnector(d, ours.use)
	o := newOrder()
	o.ActBy, o.Deadline = ours.Now().Add(time.Hour), ours.Now().Add(2*time.Hour)
	p := prepare(t, c, o)

	theirs.move(connector.DefaultSkewLimit + time.Millisecond)
	if _, err := c.Grant(t.Context(), o, p); err != nil {
		t.Errorf("within 30 seconds of a good measurement: %v", err)
	}
	if d.checks != 1 {
		t.Errorf("the clocks were read %d times, want once", d.checks)
	}
	ours.move(30 * time.Second)
	theirs.move(30 * time.Second)
	_, err := c.Grant(t.Context(), o, p)
	wantKind(t, err, access.KindMisconfigured)
	_, err = c.Prepare(t.Context(), o)
	wantKind(t, err, access.KindMisconfigured)
	if d.checks != 2 {
		t.Errorf("the clocks were read %d times, want twice", d.checks)
	}
	if err := c.Extend(t.Context(), o, p); err != nil {
		t.Errorf("Extend: %v", err)
	}
	if _, err := c.Revoke(t.Context(), o, p); err != nil {
		t.Errorf("Revoke: %v", err)
	}

	ours.move(time.Millisecond)
	if _, err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Grant(t.Context(), o, p); err != nil {
		t.Errorf("after a Check that was fine: %v", err)
	}
}

func TestUnknownSkewRefusesActivation(t *testing.T) {
	target := newTarget()
	c := newConnector(target.Driver(access.SystemClock{}))
	_, disarm := target.Inject(memory.Fault{Call: connector.CallCheck, Moment: memory.BeforeEffect, Effect: memory.Fail})
	_, err := c.Prepare(t.Context(), newOrder())
	wantKind(t, err, access.KindUnavailable)
	disarm()
	if _, err := c.Prepare(t.Context(), newOrder()); err != nil {
		t.Error(err)
	}
}
