package memory

import (
	"context"
	"slices"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// batched is a driver that also takes back, and reads, in batches.
type batched struct {
	connector.Driver
	revoke  func(context.Context, connector.Driver, []connector.Task) []connector.Revocation
	observe func(context.Context, connector.Driver, []connector.Task) []connector.Observation
}

func (b *batched) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	return b.revoke(ctx, b.Driver, tasks)
}

func (b *batched) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	return b.observe(ctx, b.Driver, tasks)
}

func revokeEach(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	for i, t := range tasks {
		out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan)
	}
	return out
}

func observeEach(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	for i, t := range tasks {
		out[i].Presence, out[i].Err = d.Observe(ctx, t.Order, t.Plan)
	}
	return out
}

// breakBatches plants a bug in the batches of every driver that the harness opens.
func breakBatches(damage func(b *batched)) func(*connectortest.Harness, *Target) {
	return func(h *connectortest.Harness, _ *Target) {
		open := h.Open
		h.Open = func(t testing.TB) connector.Driver {
			b := &batched{Driver: open(t), revoke: revokeEach, observe: observeEach}
			damage(b)
			return b
		}
	}
}

const eachAlone = "many at once: each ends as if it were alone"

// batchBugs are mistakes of drivers that do many things at once.
func batchBugs() []bug {
	return []bug{
		{"a batch ends with its first error", breakBatches(func(b *batched) {
			b.revoke = func(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Revocation {
				out := make([]connector.Revocation, len(tasks))
				for i, t := range tasks {
					if out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan); out[i].Err != nil {
						break
					}
				}
				return out
			}
		}), []string{eachAlone}},

		{"one error is everybody's", breakBatches(func(b *batched) {
			b.revoke = func(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Revocation {
				out := revokeEach(ctx, d, tasks)
				for _, r := range out {
					if r.Err != nil {
						return slices.Repeat([]connector.Revocation{r}, len(tasks))
					}
				}
				return out
			}
		}), []string{eachAlone}},

		{"answers come in another order", breakBatches(func(b *batched) {
			b.revoke = func(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Revocation {
				out := revokeEach(ctx, d, tasks)
				slices.Reverse(out)
				return out
			}
		}), []string{eachAlone}},

		{"what is read for one is said of all", breakBatches(func(b *batched) {
			b.observe = func(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Observation {
				return slices.Repeat(observeEach(ctx, d, tasks[:1]), len(tasks))
			}
		}), []string{eachAlone}},

		{"a batch leaves whoever owns something", breakBatches(func(b *batched) {
			b.revoke = func(ctx context.Context, d connector.Driver, tasks []connector.Task) []connector.Revocation {
				out := make([]connector.Revocation, len(tasks))
				for i, r := range revokeEach(ctx, d, tasks[1:]) {
					out[i+1] = r
				}
				return out
			}
		}), []string{"many at once: an object of one user is in nobody's way"}},
	}
}
