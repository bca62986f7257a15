package audit_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/audit"
)

// shelf keeps tiles as a store does: of each the longest version.
type shelf map[tlog.Tile][]byte

func place(t tlog.Tile) tlog.Tile { return tlog.Tile{H: t.H, L: t.L, N: t.N} }

func (s shelf) read(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		found, ok := s[place(t)]
		if !ok {
			return nil, errors.New("no such tile")
		}
		data[i] = bytes.Clone(found)
	}
	return data, nil
}

func (s shelf) keep(g audit.Growth) {
	for i, t := range g.Tiles {
		s[place(t)] = g.Data[i]
	}
}

func leafNumber(i int64) []byte { return fmt.Appendf(nil, `{"n":%d}`, i) }

// grown is a log that grew in steps, with the tree after each.
func grown(t *rapid.T, steps []int) (s shelf, trees []tlog.Tree) {
	s = shelf{}
	var tree tlog.Tree
	for _, n := range steps {
		var leaves []tlog.Hash
		for i := range int64(n) {
			leaves = append(leaves, audit.HashLeaf(leafNumber(tree.N+i+1)))
		}
		g, err := audit.Grow(tree, leaves, s.read)
		if err != nil {
			t.Fatal(err)
		}
		s.keep(g)
		tree = g.Tree
		trees = append(trees, tree)
	}
	return s, trees
}

var someSteps = rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(250, 270)), 1, 4)

// TestTree holds the tree that grows in steps against one that is made at once, and every proof against both.
func TestTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, trees := grown(t, someSteps.Draw(t, "steps"))
		newest := trees[len(trees)-1]
		var whole audit.Range
		at := map[int64]tlog.Hash{0: whole.Tree().Hash}
		for i := range newest.N {
			whole.Add(audit.HashLeaf(leafNumber(i + 1)))
			at[i+1] = whole.Tree().Hash
		}
		for _, tree := range trees {
			if at[tree.N] != tree.Hash {
				t.Fatalf("the tree of %d leaves, grown and made at once, is not the same", tree.N)
			}
		}
		position := rapid.Int64Range(1, newest.N).Draw(t, "position")
		proof, err := audit.ProveInclusionAt(newest, newest.N, position, s.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckInclusion(proof, newest, position, leafNumber(position)); err != nil {
			t.Error(err)
		}
		if audit.CheckInclusion(proof, newest, position, leafNumber(position+1)) == nil {
			t.Error("the proof holds for another leaf")
		}
		earlier := tlog.Tree{N: position, Hash: at[position]}
		consistency, err := audit.ProveConsistencyAt(newest, newest.N, position, s.read)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckConsistency(consistency, newest, earlier); err != nil {
			t.Error(err)
		}
		earlier.Hash[0] ^= 1
		if audit.CheckConsistency(consistency, newest, earlier) == nil {
			t.Error("the proof holds for another tree")
		}
	})
}

// TestResumedRange goes on in the middle of a log, from the few hashes that stand for what came before.
func TestResumedRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, trees := grown(t, someSteps.Draw(t, "steps"))
		newest := trees[len(trees)-1]
		from := rapid.Int64Range(0, newest.N).Draw(t, "from")
		peaks, err := audit.PeaksAt(newest, from, s.read)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := audit.ResumeRange(from, peaks)
		if !ok {
			t.Fatalf("%d peaks do not fit %d leaves", len(peaks), from)
		}
		for i := from; i < newest.N; i++ {
			r.Add(audit.HashLeaf(leafNumber(i + 1)))
		}
		if r.Tree() != newest {
			t.Errorf("from %d on the tree is %v, not %v", from, r.Tree(), newest)
		}
		if _, ok := audit.ResumeRange(from, append(peaks, tlog.Hash{})); ok {
			t.Error("one peak too many is taken")
		}
	})
}

// TestGrowBelievesNoTile changes a byte of what the store has of the tree.
func TestGrowBelievesNoTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, trees := grown(t, someSteps.Draw(t, "steps"))
		newest, next := trees[len(trees)-1], []tlog.Hash{audit.HashLeaf([]byte("next"))}
		want, err := audit.Grow(newest, next, s.read)
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range slices.SortedFunc(maps.Keys(s), func(a, b tlog.Tile) int { return cmp.Or(cmp.Compare(a.L, b.L), cmp.Compare(a.N, b.N)) }) {
			kept := s[place]
			i := rapid.IntRange(0, len(kept)-1).Draw(t, "byte")
			s[place] = bytes.Clone(kept)
			s[place][i] ^= 0x20
			got, err := audit.Grow(newest, next, s.read)
			s[place] = kept
			// What was not needed may be anything; the tree must be the right one all the same.
			if err == nil && got.Tree != want.Tree {
				t.Fatalf("byte %d of tile %v was believed", i, place)
			}
		}
	})
}
