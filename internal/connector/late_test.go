package connector_test

import (
	"context"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// An order acts until its ActBy, by the clock that was handed in; one without such a moment, such as a removal, at any time.
func TestOrdersActInTime(t *testing.T) {
	clock := newHandClock()
	o := connector.Order{ActBy: clock.Now().Add(time.Minute)}
	if err := connector.InTime("orders-db", clock, o); err != nil {
		t.Errorf("a minute ahead: %v", err)
	}
	ctx, cancel := connector.Until(t.Context(), clock, o)
	defer cancel()
	if end, bounded := ctx.Deadline(); !bounded || time.Until(end) > time.Minute || time.Until(end) < 0 {
		t.Errorf("what is done for it ends at %v", end)
	}
	clock.move(time.Minute)
	if err := connector.InTime("orders-db", clock, o); access.KindOf(err) != access.KindTimeout {
		t.Errorf("at its end: %v", err)
	}
	over, cancel := connector.Until(t.Context(), clock, o)
	defer cancel()
	if over.Err() == nil {
		t.Error("what is done for it goes on after its end")
	}
	any := connector.Order{}
	if err := connector.InTime("orders-db", clock, any); err != nil {
		t.Errorf("an order that is never late: %v", err)
	}
	unbounded, cancel := connector.Until(context.Background(), clock, any)
	defer cancel()
	if _, bounded := unbounded.Deadline(); bounded {
		t.Error("an order that is never late is bounded")
	}
}
