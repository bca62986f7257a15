package audit

import (
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// TileHeight is how many levels of the tree a tile has: 256 hashes side by side (https://c2sp.org/tlog-tiles).
const TileHeight = 8

// Tiles reads tiles that Grow made: of each the first Tile.W hashes, at least. What it returns is not believed, but held
// against the tree.
type Tiles func(tiles []tlog.Tile) ([][]byte, error)

// tileReader makes Tiles what the library reads from.
type tileReader struct{ read Tiles }

func (tileReader) Height() int                     { return TileHeight }
func (tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data, err := r.read(tiles)
	if err != nil {
		return nil, err
	}
	if len(data) != len(tiles) {
		return nil, fmt.Errorf("%d tiles of the audit log were asked for, and %d read", len(tiles), len(data))
	}
	for i, t := range tiles {
		if want := t.W * tlog.HashSize; len(data[i]) < want {
			return nil, fmt.Errorf("the tile %s of the audit log has %d bytes, not %d", t.Path(), len(data[i]), want)
		} else {
			data[i] = data[i][:want]
		}
	}
	return data, nil
}

// reader reads hashes of the tree, each proven by the tree's own hash.
func reader(tree tlog.Tree, tiles Tiles) tlog.HashReader {
	return tlog.TileHashReader(tree, tileReader{tiles})
}

// Growth is what a tree becomes when leaves are added.
type Growth struct {
	Tree tlog.Tree
	// Tiles have new hashes in them, and Data is what is to be kept of each, in the same order.
	Tiles []tlog.Tile
	Data  [][]byte
}

// Grow adds the hashes of leaves (HashLeaf) to the tree. What it reads of the old tree is proven by its hash, so that
// nobody who changes tiles has what they say signed.
func Grow(tree tlog.Tree, leaves []tlog.Hash, tiles Tiles) (Growth, error) {
	added := map[int64]tlog.Hash{}
	old := reader(tree, tiles)
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		missing := slices.DeleteFunc(slices.Clone(indexes), func(i int64) bool { _, ok := added[i]; return ok })
		var found []tlog.Hash
		if len(missing) > 0 {
			var err error
			if found, err = old.ReadHashes(missing); err != nil {
				return nil, err
			}
		}
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			if hash, ok := added[index]; ok {
				list[i] = hash
			} else {
				list[i], found = found[0], found[1:]
			}
		}
		return list, nil
	})
	size := tree.N
	for _, leaf := range leaves {
		completed, err := tlog.StoredHashesForRecordHash(size, leaf, hashes)
		if err != nil {
			return Growth{}, err
		}
		for i, hash := range completed {
			added[tlog.StoredHashIndex(0, size)+int64(i)] = hash
		}
		size++
	}
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return Growth{}, err
	}
	g := Growth{Tree: tlog.Tree{N: size, Hash: root}, Tiles: tlog.NewTiles(TileHeight, tree.N, size)}
	for _, t := range g.Tiles {
		data, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return Growth{}, err
		}
		g.Data = append(g.Data, data)
	}
	return g, nil
}

// HashLeaf is the hash of an entry's leaf in the tree (RFC 6962, section 2.1).
func HashLeaf(leaf []byte) tlog.Hash { return tlog.RecordHash(leaf) }

// ProveInclusionAt proves that the tree, as it was when it had size leaves, has the leaf at a position, counted from 1 on.
func ProveInclusionAt(tree tlog.Tree, size, position int64, tiles Tiles) (tlog.RecordProof, error) {
	return tlog.ProveRecord(size, position-1, reader(tree, tiles))
}

// CheckInclusion holds an inclusion proof against the leaf and the tree.
func CheckInclusion(proof tlog.RecordProof, tree tlog.Tree, position int64, leaf []byte) error {
	return tlog.CheckRecord(proof, tree.N, tree.Hash, position-1, HashLeaf(leaf))
}

// ProveConsistencyAt proves that the tree, as it was when it had size leaves, begins with what it was when it had earlier.
func ProveConsistencyAt(tree tlog.Tree, size, earlier int64, tiles Tiles) (tlog.TreeProof, error) {
	return tlog.ProveTree(size, earlier, reader(tree, tiles))
}

// CheckConsistency holds a consistency proof against both trees.
func CheckConsistency(proof tlog.TreeProof, tree, earlier tlog.Tree) error {
	return tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash)
}
