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
	out := make([]Revocation, 0, len(tasks))
	d, ok := c.driver.(BatchRevoker)
	if !ok {
		for _, t := range tasks {
			removal, err := c.Revoke(ctx, t.Order, t.Plan)
			out = append(out, Revocation{removal, err})
		}
		return out
	}
	for batch := range slices.Chunk(tasks, MaxBatch) {
		var done []Revocation
		_, err := do(ctx, c, CallRevoke, earliestActBy(batch), func(ctx context.Context) (_ struct{}, first error) {
			answers := d.RevokeBatch(ctx, batch)
			if len(answers) != len(batch) {
				return struct{}{}, c.miscounted(len(answers), len(batch))
			}
			for i, r := range answers {
				if r.Err != nil {
					answers[i] = Revocation{Err: c.classify(ctx, CallRevoke, r.Err)}
					first = cmp.Or(first, answers[i].Err)
				}
			}
			done = answers
			return struct{}{}, first // for who watches: what came of the call is what came of the first that failed
		})
		if done == nil {
			done = slices.Repeat([]Revocation{{Err: err}}, len(batch))
		}
		out = append(out, done...)
	}
	return out
}

// ObserveAll is Observe for each task, as many at once as the driver can.
func (c *Connector) ObserveAll(ctx context.Context, tasks []Task) []Observation {
	out := make([]Observation, 0, len(tasks))
	d, ok := c.driver.(BatchObserver)
	if !ok {
		for _, t := range tasks {
			presence, err := c.Observe(ctx, t.Order, t.Plan)
			out = append(out, Observation{presence, err})
		}
		return out
	}
	for batch := range slices.Chunk(tasks, MaxBatch) {
		var read []Observation
		_, err := do(ctx, c, CallObserve, time.Time{}, func(ctx context.Context) (_ struct{}, first error) {
			answers := d.ObserveBatch(ctx, batch)
			if len(answers) != len(batch) {
				return struct{}{}, c.miscounted(len(answers), len(batch))
			}
			for i, o := range answers {
				if o.Err != nil {
					answers[i] = Observation{Err: c.classify(ctx, CallObserve, o.Err)}
					first = cmp.Or(first, answers[i].Err)
				}
			}
			read = answers
			return struct{}{}, first
		})
		if read == nil {
			read = slices.Repeat([]Observation{{Err: err}}, len(batch))
		}
		for i := range read {
			if read[i].Err == nil {
				read[i].Presence = complete(read[i].Presence, batch[i].Plan)
			}
		}
		out = append(out, read...)
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
