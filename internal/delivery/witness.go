package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// DefaultEvery is how often a witness is given a checkpoint at most.
const DefaultEvery = time.Minute

// WitnessOptions name a witness.
type WitnessOptions struct {
	Name    string
	Every   time.Duration
	Witness Witness
}

// Witness is a place outside that keeps signed checkpoints. Only one goroutine uses it at a time.
type Witness interface {
	// Keep hands over a checkpoint, durably. A witness that can tell what it was given last calls extends with that first,
	// and keeps nothing and returns the error when there is one. It does what it does before ctx ends. What was handed over
	// in an attempt that failed may come again.
	Keep(ctx context.Context, signed []byte, extends func(previous []byte) error) error
}

// errKept is what extends answers when a witness has the checkpoint, or a later one that is right.
var errKept = errors.New("the witness has it already")

// witnessing gives a witness the newest checkpoint.
type witnessing struct {
	audit   Log
	witness Witness
	// seen says that the witness was looked at since the start. Until then it is, though the log may not have grown: who
	// rewrites a log may do so while no server runs.
	seen bool
}

func newWitnessing(log Log, o WitnessOptions) *witnessing {
	return &witnessing{audit: log, witness: o.Witness}
}

func (w *witnessing) waits(cursor store.Cursor, head store.LogHead) bool {
	return head.Size != cursor.Position || !w.seen && head.Size > 0
}

func (w *witnessing) lastly() bool { return true }

// close has nothing to do: a witness keeps nothing open.
func (w *witnessing) close() error { return nil }

// carry gives the witness the newest checkpoint, once it is proven that the log begins with what the cursor says that the
// witness was given last, and with what the witness itself says.
func (w *witnessing) carry(ctx context.Context, cursor store.Cursor, head store.LogHead) (store.Cursor, bool, error) {
	newest, err := w.read(head.Checkpoint)
	if err != nil {
		return cursor, false, err
	}
	if cursor.Checkpoint != nil {
		if err := w.extends(ctx, newest, cursor.Checkpoint); err != nil && !errors.Is(err, errKept) {
			return cursor, false, err
		}
	}
	err = w.witness.Keep(ctx, head.Checkpoint, func(previous []byte) error { return w.extends(ctx, newest, previous) })
	if err != nil && !errors.Is(err, errKept) {
		return cursor, false, err
	}
	w.seen = true
	if newest.Tree.N <= cursor.Position {
		return cursor, false, nil
	}
	return store.Cursor{Position: newest.Tree.N, Checkpoint: head.Checkpoint}, false, nil
}

// read reads a checkpoint of which nothing but the text matters here: what this store has was verified, and what a witness
// has is held against it.
func (w *witnessing) read(signed []byte) (audit.Checkpoint, error) {
	c, err := audit.ReadCheckpoint(signed)
	if err != nil {
		return c, fmt.Errorf("%w: %w", audit.ErrRewritten, err)
	}
	return c, nil
}

// extends proves that the log of a checkpoint begins with that of the previous one. A previous one that is no smaller is held
// against the log as it is by now: another node may have been here since the checkpoint was read.
func (w *witnessing) extends(ctx context.Context, newest audit.Checkpoint, previous []byte) error {
	earlier, err := w.read(previous)
	if err != nil {
		return err
	}
	if earlier.Tree.N < newest.Tree.N {
		return w.audit.ProveExtends(ctx, newest, earlier)
	}
	head, err := w.audit.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if newest, err = w.read(head.Checkpoint); err != nil {
		return err
	}
	if err := w.audit.ProveExtends(ctx, newest, earlier); err != nil {
		return err
	}
	return errKept
}
