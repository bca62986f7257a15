package engine

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// integrateBatch is how many entries one step adds to the tree.
const integrateBatch = 1000

// Integrate adds the next entries that have a position to the Merkle tree of the log, and signs what it has become. It does
// so in the order of positions, and stops before an entry that Curfew did not write: that one is an error for ever, until
// somebody has looked. more reports that there are entries left, so that it should be called again at once.
//
// Nodes need no lease: the head moves by compare-and-swap, and who comes second has only worked in vain.
func (e *Engine) Integrate(ctx context.Context) (more bool, err error) {
	head, tree, err := e.logHead(ctx)
	if err != nil {
		return false, err
	}
	rows, err := e.leavesBehind(ctx, head.Size, integrateBatch)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	authentic, end := e.authentic(ctx, rows, head.Size)
	if len(authentic) == 0 {
		return false, end
	}
	growth, err := audit.Grow(tree, authentic, e.tiles(ctx))
	if err != nil {
		return false, unproven(err)
	}
	signer, handover, err := e.logSigner(ctx, head, rows[:len(authentic)])
	if err != nil {
		return false, err
	}
	if err := e.advance(ctx, head.Size, growth, signer, handover); err != nil {
		if is(err, access.KindConflict) {
			return false, nil // another node was first, and goes on
		}
		return false, err
	}
	e.log.known.learn(growth.Tree)
	return len(rows) == integrateBatch && end == nil, end
}

// logHead reads the head of the log, and holds it against its signature and against what this node knows of the log.
// Before the first head the tree is empty.
func (e *Engine) logHead(ctx context.Context) (head store.LogHead, tree tlog.Tree, err error) {
	known := e.log.known.tree() // what is read later cannot be of before
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		head, err = tx.Log().Head(e.cfg.Tenant)
		return err
	})
	if err != nil {
		return head, tree, err
	}
	if head.Size == 0 {
		return head, tree, e.beginsWith(ctx, tree, known)
	}
	checkpoint, _, err := e.openCheckpoint(ctx, head.Checkpoint)
	if err == nil && (checkpoint.Origin != e.LogOrigin() || checkpoint.Tree.N != head.Size) {
		err = fmt.Errorf("it is of %d entries of %.200q", checkpoint.Tree.N, checkpoint.Origin)
	}
	if is(err, access.KindUnavailable) {
		return head, tree, err
	}
	if err != nil {
		return head, tree, access.Wrap(access.KindInternal, err, "The newest checkpoint of the audit log is not the one that was signed.")
	}
	if err := e.beginsWith(ctx, checkpoint.Tree, known); err != nil {
		return head, tree, err
	}
	e.log.known.learn(checkpoint.Tree)
	return head, checkpoint.Tree, nil
}

func (e *Engine) leavesBehind(ctx context.Context, position int64, limit int) (rows []store.EventRow, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		rows, err = tx.Events().Leaves(e.cfg.Tenant, position, limit)
		return err
	})
	return rows, err
}

// authentic hashes the entries up to the first that Curfew did not write, and says which that is, or that it cannot tell.
func (e *Engine) authentic(ctx context.Context, rows []store.EventRow, size int64) (leaves []tlog.Hash, end error) {
	for i, row := range rows {
		ours, err := e.wrote(ctx, row)
		if err != nil {
			return leaves, err
		}
		if row.Position != size+int64(i)+1 || !ours {
			return leaves, access.Errorf(access.KindInternal,
				"The entry at position %d of the audit log is not what Curfew wrote there: it was changed, put there or removed in the store, behind Curfew's back. No checkpoint is signed beyond position %d. See docs/audit.md, \"The log stops\".",
				size+int64(i)+1, size+int64(i))
		}
		leaves = append(leaves, audit.HashLeaf(row.Leaf))
	}
	return leaves, nil
}

// tiles reads tiles of the tree from the store.
func (e *Engine) tiles(ctx context.Context) audit.Tiles {
	return func(tiles []tlog.Tile) (data [][]byte, err error) {
		at := make([]store.TileAt, len(tiles))
		for i, t := range tiles {
			at[i] = store.TileAt{Level: t.L, Number: t.N}
		}
		err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
			rows, err := tx.Log().Tiles(e.cfg.Tenant, at...)
			data = make([][]byte, len(rows))
			for i, row := range rows {
				data[i] = row.Hashes
			}
			return err
		})
		return data, err
	}
}

// advance signs what the tree has become and makes it the head. When the key is about to change, the entry that says so is
// made with it, so that it is made once.
func (e *Engine) advance(ctx context.Context, from int64, growth audit.Growth, by logSigner, handover map[string]string) error {
	signed, err := audit.SignCheckpoint(audit.Checkpoint{Origin: e.LogOrigin(), Tree: growth.Tree}, by.private)
	if err != nil {
		return err
	}
	tiles := make([]store.Tile, len(growth.Tiles))
	for i, t := range growth.Tiles {
		tiles[i] = store.Tile{TileAt: store.TileAt{Level: t.L, Number: t.N}, Hashes: growth.Data[i]}
	}
	err = e.update(ctx, txIntegrate, func(c *change) error {
		head := store.LogHead{Size: growth.Tree.N, Checkpoint: signed, KeyGeneration: by.generation, At: c.Now()}
		err := c.Log().Advance(e.cfg.Tenant, from, head, tiles)
		if err != nil || handover == nil {
			return err
		}
		return c.record(access.Event{Kind: access.EventLogKeyChanged, Detail: handover})
	})
	if err == nil {
		e.signals.raise(checkpoints)
	}
	return err
}

// checkpoints is the key under which those are woken who wait for the next checkpoint.
const checkpoints = "checkpoints"
