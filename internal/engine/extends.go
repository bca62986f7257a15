package engine

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew/internal/audit"
)

// ProveExtends proves that the log as one checkpoint has it begins with the log as an earlier one does, which somebody
// outside kept. The error wraps audit.ErrRewritten when it does not.
func (e *Engine) ProveExtends(ctx context.Context, later, earlier audit.Checkpoint) error {
	if earlier.Origin != e.LogOrigin() {
		return fmt.Errorf("%w: it is of the log %.200q, and this one is %s", audit.ErrRewritten, earlier.Origin, e.LogOrigin())
	}
	if earlier.Tree.N == 0 || earlier == later {
		return nil
	}
	_, tree, err := e.logHead(ctx)
	if err != nil {
		return err
	}
	if earlier.Tree.N > later.Tree.N || later.Tree.N > tree.N {
		return fmt.Errorf("%w: it has %d entries, and the log ends at %d", audit.ErrRewritten, earlier.Tree.N, min(later.Tree.N, tree.N))
	}
	proof, err := audit.ProveConsistencyAt(tree, later.Tree.N, earlier.Tree.N, e.tiles(ctx))
	if err != nil {
		return unproven(err)
	}
	if err := audit.CheckConsistency(proof, later.Tree, earlier.Tree); err != nil {
		return fmt.Errorf("%w: one of the first %d entries was another", audit.ErrRewritten, earlier.Tree.N)
	}
	return nil
}
