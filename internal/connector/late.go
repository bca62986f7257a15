package connector

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
)

// TooLate is the error of an order that reached its target after Order.ActBy.
func TooLate(name access.ConnectorName) error {
	return access.Errorf(access.KindTimeout, "The order to the connector %s came too late and had no effect.", name)
}

// InTime refuses an order that is too late already. It is for drivers whose target cannot: see Traits.LateEffect.
func InTime(name access.ConnectorName, clock access.Clock, o Order) error {
	if !o.ActBy.IsZero() && !clock.Now().Before(o.ActBy) {
		return TooLate(name)
	}
	return nil
}

// Until ends what is done for an order when its time is over. An order without such a time is not bounded.
func Until(ctx context.Context, clock access.Clock, o Order) (context.Context, context.CancelFunc) {
	if o.ActBy.IsZero() {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, o.ActBy.Sub(clock.Now()))
}
