package connector

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxBatch bounds the tasks of one call of a BatchRevoker or BatchObserver.
const MaxBatch = 100

// Task is an order with the plan that it is carried out from.
type Task struct {
	Order Order
	Plan  access.Plan
}

// Revocation is what became of one task of a batch.
type Revocation struct {
	Removal Removal
	Err     error
}

// Observation is what was read for one task of a batch.
type Observation struct {
	Presence Presence
	Err      error
}

// BatchRevoker is a Driver that takes many grants back with less work than one by one.
type BatchRevoker interface {
	// RevokeBatch is Revoke for each of at most MaxBatch tasks, of different grants. It answers each at its place, and
	// one that fails keeps no other from being done.
	RevokeBatch(ctx context.Context, tasks []Task) []Revocation
}

// BatchObserver is a Driver that reads many grants back with less work than one by one.
type BatchObserver interface {
	// ObserveBatch is Observe for each of at most MaxBatch tasks, answered like those of RevokeBatch. A reader that is
	// blind is so for all of them.
	ObserveBatch(ctx context.Context, tasks []Task) []Observation
}

// Batches reports whether the driver takes many grants back, and reads them back, at once.
func (c *Connector) Batches() bool {
	_, revokes := c.driver.(BatchRevoker)
	_, observes := c.driver.(BatchObserver)
	return revokes && observes
}

// RevokeAll is Revoke for each task, as many at once as the driver can. Each call of the driver obeys the earliest ActBy
// of its tasks.
func (c *Connector) RevokeAll(ctx context.Context, tasks []Task) []Revocation {
	d, ok := c.driver.(BatchRevoker)
	if !ok {
		out := make([]Revocation, len(tasks))
		for i, t := range tasks {
			out[i].Removal, out[i].Err = c.Revoke(ctx, t.Order, t.Plan)
		}
		return out
	}
	return inBatches(ctx, c, tasks, batchCall[Revocation]{
		name: CallRevoke, actBy: earliestActBy, run: d.RevokeBatch,
		failed: func(err error) Revocation { return Revocation{Err: err} },
		err:    func(r Revocation) error { return r.Err },
	})
}

// ObserveAll is Observe for each task, as many at once as the driver can.
func (c *Connector) ObserveAll(ctx context.Context, tasks []Task) []Observation {
	d, ok := c.driver.(BatchObserver)
	if !ok {
		out := make([]Observation, len(tasks))
		for i, t := range tasks {
			out[i].Presence, out[i].Err = c.Observe(ctx, t.Order, t.Plan)
		}
		return out
	}
	out := inBatches(ctx, c, tasks, batchCall[Observation]{
		name: CallObserve, actBy: func([]Task) time.Time { return time.Time{} }, run: d.ObserveBatch,
		failed: func(err error) Observation { return Observation{Err: err} },
		err:    func(o Observation) error { return o.Err },
	})
	for i := range out {
		if out[i].Err == nil {
			out[i].Presence = complete(out[i].Presence, tasks[i].Plan)
		}
	}
	return out
}

// batchCall is a call of the driver that answers many tasks with a T each.
type batchCall[T any] struct {
	name Call
	// actBy is the moment that a call for these tasks must obey.
	actBy func([]Task) time.Time
	run   func(context.Context, []Task) []T
	// failed makes an answer of an error, and err reads it.
	failed func(error) T
	err    func(T) error
}

// inBatches makes the call for all tasks, MaxBatch at a time. Each answer has its own error, classified; what fails a call as a whole
// is the answer to each of its tasks.
func inBatches[T any](ctx context.Context, c *Connector, tasks []Task, call batchCall[T]) []T {
	out := make([]T, 0, len(tasks))
	for batch := range slices.Chunk(tasks, MaxBatch) {
		var answers []T
		_, err := do(ctx, c, call.name, call.actBy(batch), func(ctx context.Context) (_ struct{}, first error) {
			got := call.run(ctx, batch)
			if len(got) != len(batch) {
				return struct{}{}, c.miscounted(len(got), len(batch))
			}
			for i, answer := range got {
				if err := call.err(answer); err != nil {
					err = c.classify(ctx, call.name, err)
					got[i], first = call.failed(err), cmp.Or(first, err)
				}
			}
			answers = got
			return struct{}{}, first // for who watches: what came of the call is what came of the first that failed
		})
		if answers == nil {
			answers = slices.Repeat([]T{call.failed(err)}, len(batch))
		}
		out = append(out, answers...)
	}
	return out
}

func (c *Connector) miscounted(answers, tasks int) error {
	return c.errorf(access.KindInternal, "answered %d of %d tasks; this is a defect of its driver", answers, tasks)
}

// earliestActBy is the first moment after which one of the tasks must have no effect any more; zero when there is none.
func earliestActBy(tasks []Task) (earliest time.Time) {
	for _, t := range tasks {
		if by := t.Order.ActBy; !by.IsZero() && (earliest.IsZero() || by.Before(earliest)) {
			earliest = by
		}
	}
	return earliest
}

// complete adds what the driver is silent about: an atom that it did not speak of is unknown.
func complete(presence Presence, p access.Plan) Presence {
	for _, atom := range p.Atoms {
		if !presence.reads(atom) {
			presence.Atoms = append(presence.Atoms, AtomPresence{Atom: atom, State: Unknown})
		}
	}
	return presence
}
