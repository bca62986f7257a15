package engine

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// Checkpoint is the newest checkpoint of the audit log; the zero LogHead while there is none. It says nothing about
// anybody, so everybody may have it, and the more do the better.
func (e *Engine) Checkpoint(ctx context.Context) (store.LogHead, error) {
	head, _, err := e.logHead(ctx)
	return head, err
}

// Inclusion is the proof that an entry is in the log.
type Inclusion struct {
	// Size is that of the tree in which it is.
	Size  int64
	Leaf  []byte
	Proof tlog.RecordProof
}

// ProveInclusion proves that the entry at a position is in the log as it was when it had size entries; size 0 is that of
// the newest checkpoint. The actor is one who sees the whole log.
func (e *Engine) ProveInclusion(ctx context.Context, actor access.Principal, position, size int64) (Inclusion, error) {
	tree, size, err := e.provable(ctx, actor, size)
	if err != nil {
		return Inclusion{}, err
	}
	if position < 1 || position > size {
		return Inclusion{}, access.Errorf(access.KindNotFound, "There is no entry at position %d of a log of %d.", position, size)
	}
	rows, err := e.leavesBehind(ctx, position-1, 1)
	if err != nil {
		return Inclusion{}, err
	}
	if len(rows) == 0 || rows[0].Position != position {
		return Inclusion{}, access.Errorf(access.KindInternal, "The entry at position %d of the audit log is missing in the store. Run curfewd audit verify.", position)
	}
	proof, err := audit.ProveInclusionAt(tree, size, position, e.tiles(ctx))
	return Inclusion{Size: size, Leaf: rows[0].Leaf, Proof: proof}, unproven(err)
}

// ProveConsistency proves that the log of size entries begins with what it was when it had from; size 0 is that of the
// newest checkpoint.
func (e *Engine) ProveConsistency(ctx context.Context, actor access.Principal, from, size int64) (proof tlog.TreeProof, of int64, err error) {
	tree, size, err := e.provable(ctx, actor, size)
	if err != nil {
		return nil, 0, err
	}
	if from < 1 || from > size {
		return nil, 0, access.Errorf(access.KindInvalid, "A log of %d entries is proven to begin with one of 1 to %[1]d, not of %d.", size, from)
	}
	proof, err = audit.ProveConsistencyAt(tree, size, from, e.tiles(ctx))
	return proof, size, unproven(err)
}

// provable is the newest tree, and the size of the one that is asked for, which it begins with.
func (e *Engine) provable(ctx context.Context, actor access.Principal, size int64) (tlog.Tree, int64, error) {
	if !e.seesAll(actor) {
		return tlog.Tree{}, 0, access.Errorf(access.KindDenied, "Proofs of the audit log are for administrators and auditors.")
	}
	_, tree, err := e.logHead(ctx)
	switch {
	case err != nil:
		return tree, 0, err
	case size == 0:
		size = tree.N
	case size < 0 || size > tree.N:
		return tree, 0, access.Errorf(access.KindInvalid, "The newest checkpoint of the audit log has %d entries, so there is no log of %d to prove.", tree.N, size)
	}
	return tree, size, nil
}

// unproven is the error for a tree that does not prove itself. That it could not be read is another matter.
func unproven(err error) error {
	if err == nil || is(err, access.KindUnavailable) || is(err, access.KindTimeout) || errors.Is(err, context.Canceled) {
		return err
	}
	return access.Wrap(access.KindInternal, err, "The tree of the audit log is not the one that was signed. Run curfewd audit verify.")
}
