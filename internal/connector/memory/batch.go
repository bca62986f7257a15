package memory

import (
	"context"

	"github.com/curfewhq/curfew/internal/connector"
)

// RevokeBatch implements connector.BatchRevoker. Here a batch saves nothing; what is above it is tested with it.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	for i, t := range tasks {
		out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan)
	}
	return out
}

// ObserveBatch implements connector.BatchObserver.
func (d *driver) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	for i, t := range tasks {
		out[i].Presence, out[i].Err = d.Observe(ctx, t.Order, t.Plan)
	}
	return out
}
