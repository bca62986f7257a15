package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

// knownTree is the largest tree of the log that this node has seen. A log only grows, so who takes the tree away in the
// store, or puts an older one back, does not have Curfew sign another history in its place. The zero knownTree knows none.
type knownTree struct{ newest atomic.Pointer[tlog.Tree] }

func (k *knownTree) tree() tlog.Tree {
	if t := k.newest.Load(); t != nil {
		return *t
	}
	return tlog.Tree{}
}

func (k *knownTree) learn(t tlog.Tree) {
	for {
		had := k.newest.Load()
		if had != nil && had.N >= t.N || k.newest.CompareAndSwap(had, &t) {
			return
		}
	}
}

// beginsWith is an error that wraps audit.ErrRewritten unless the tree begins with one that is known.
func (e *Engine) beginsWith(ctx context.Context, tree, known tlog.Tree) error {
	if known.N == 0 || tree == known {
		return nil
	}
	rewritten := func(what string) error {
		return access.Wrap(access.KindInternal, fmt.Errorf("%w: %s", audit.ErrRewritten, what), fmt.Sprintf(
			"The audit log in the store does not begin with the %d entries that this node knows: %s. No checkpoint is signed. See docs/audit.md, \"The log stops\".", known.N, what))
	}
	if tree.N < known.N {
		return rewritten(fmt.Sprintf("it has %d of them", tree.N))
	}
	if tree.N == known.N {
		return rewritten("one of them was another")
	}
	proof, err := audit.ProveConsistencyAt(tree, tree.N, known.N, e.tiles(ctx))
	if err != nil {
		return unproven(err)
	}
	if audit.CheckConsistency(proof, tree, known) != nil {
		return rewritten("one of them was another")
	}
	return nil
}

// ResumeLog has the node know the log as a checkpoint has it that was kept outside the store since a node was here last. The
// error wraps audit.ErrRewritten when the log is another by now.
func (e *Engine) ResumeLog(ctx context.Context, kept audit.Checkpoint) error {
	if kept.Origin != e.LogOrigin() {
		return access.Errorf(access.KindMisconfigured, "The checkpoint that was kept is of the log %.200q, and this one is %s.", kept.Origin, e.LogOrigin())
	}
	e.log.known.learn(kept.Tree)
	_, _, err := e.logHead(ctx)
	return err
}
