package engine

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
)

// Observer watches what neither the store nor a connector can see: which transactions and calls belong to one piece of
// work, and that an attempt failed as a whole. Implementations are safe for concurrent use, return at once, and change
// nothing.
type Observer interface {
	// Act is told that the work on a claimed grant begins. The context that it returns goes with everything that belongs
	// to the work; ended is called once, when it is over.
	Act(ctx context.Context, g access.Grant) (_ context.Context, ended func())
	// AttemptFailed is told that an attempt to bring the grant further did not work.
	AttemptFailed(g access.Grant, cause error)
	// RemovedOffline is told that access was taken back and read back while the store was away.
	RemovedOffline(g access.Grant)
}

// unobserved is the Observer of an Engine that was given none.
type unobserved struct{}

func (unobserved) Act(ctx context.Context, _ access.Grant) (context.Context, func()) {
	return ctx, func() {}
}

func (unobserved) AttemptFailed(access.Grant, error) {}

func (unobserved) RemovedOffline(access.Grant) {}
