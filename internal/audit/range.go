package audit

import (
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Range is the tree over a log that is read from its beginning, leaf by leaf, in the memory of a few hashes. The zero
// Range is empty.
type Range struct {
	size int64
	// peaks are the roots of the perfect trees that the leaves make, the largest first.
	peaks []tlog.Hash
}

// Add adds the hash of the next leaf.
func (r *Range) Add(leaf tlog.Hash) {
	hash := leaf
	for n := r.size; n&1 == 1; n >>= 1 {
		last := len(r.peaks) - 1
		hash, r.peaks = tlog.NodeHash(r.peaks[last], hash), r.peaks[:last]
	}
	r.peaks = append(r.peaks, hash)
	r.size++
}

// Tree is the tree over what was added.
func (r *Range) Tree() tlog.Tree {
	if r.size == 0 {
		root, _ := tlog.TreeHash(0, nil) // reads nothing
		return tlog.Tree{Hash: root}
	}
	root := r.peaks[len(r.peaks)-1]
	for _, peak := range slices.Backward(r.peaks[:len(r.peaks)-1]) {
		root = tlog.NodeHash(peak, root)
	}
	return tlog.Tree{N: r.size, Hash: root}
}

// Peaks are what a Range can be made of again, with ResumeRange.
func (r *Range) Peaks() []tlog.Hash { return slices.Clone(r.peaks) }

// ResumeRange is the Range over so many leaves with these peaks; ok is false where their number does not fit.
func ResumeRange(size int64, peaks []tlog.Hash) (r *Range, ok bool) {
	if size < 0 || len(peaks) != bits.OnesCount64(uint64(size)) {
		return nil, false
	}
	return &Range{size: size, peaks: slices.Clone(peaks)}, true
}

// PeaksAt reads the peaks of the tree as it was when it had so many leaves.
func PeaksAt(tree tlog.Tree, size int64, tiles Tiles) ([]tlog.Hash, error) {
	if size == 0 {
		return nil, nil
	}
	var indexes []int64
	var before int64
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size&(1<<level) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, before>>level))
			before += 1 << level
		}
	}
	return reader(tree, tiles).ReadHashes(indexes)
}
