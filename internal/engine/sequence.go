package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/store"
)

const (
	// sequenceBatch is how many events one transaction numbers: few enough that nobody waits long for its end.
	sequenceBatch = 128
	// sequenceLease is how long a node that dies between two batches keeps the others from going on.
	sequenceLease = 5 * time.Second
)

// Sequence gives the next batch of events their positions in the audit log, unless there is none, or another node is at
// it. holder names this node. more reports that the batch was full, so that it should be called again at once.
//
// The lease is taken in the transaction that numbers, and given back by the one that leaves nothing: whichever node has
// appended may number at once, and a node that has died is waited for only if it died with a batch to come.
func (e *Engine) Sequence(ctx context.Context, holder string) (more bool, err error) {
	waiting, err := e.unsequenced(ctx)
	if err != nil || !waiting {
		return false, err
	}
	n := 0
	err = e.update(ctx, txSequence, func(c *change) error {
		n, more = 0, false
		lease := "sequence " + string(e.cfg.Tenant)
		ours, err := c.Leases().Acquire(lease, holder, c.Now().Add(sequenceLease))
		if err != nil || !ours {
			return err
		}
		if n, err = c.Events().Sequence(e.cfg.Tenant, sequenceBatch); err != nil {
			return err
		}
		if n == sequenceBatch {
			more = true
			return nil
		}
		return c.Leases().Release(lease, holder)
	})
	if err != nil {
		return false, err
	}
	if n > 0 {
		e.logGrew()
	}
	return more, nil
}

// unsequenced reports whether an event waits for its position. Asking first keeps a node with nothing to do from writing.
func (e *Engine) unsequenced(ctx context.Context) (waiting bool, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		rows, err := tx.Events().Unsequenced(e.cfg.Tenant, 1)
		waiting = len(rows) > 0
		return err
	})
	return waiting, err
}
