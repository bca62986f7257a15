package connector

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
)

// Observer watches the calls of connectors, for metrics and traces. It is handed to the Connector, and is no wrapper
// around the Driver, because it shall see what a call came to in the end: its deadline, its wait for a turn, its
// panic. Implementations are safe for concurrent use, return at once, and change nothing.
type Observer interface {
	// Call is told that a call begins, before it waits for its turn. The context that it returns goes to the driver.
	// ended is called once, with the call's error.
	Call(ctx context.Context, name access.ConnectorName, call Call) (_ context.Context, ended func(error))
}

// unobserved is the Observer of a Connector that was given none.
type unobserved struct{}

func (unobserved) Call(ctx context.Context, _ access.ConnectorName, _ Call) (context.Context, func(error)) {
	return ctx, func(error) {}
}
