package memstore

import (
	"bytes"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// merkleLog implements store.Log.
type merkleLog struct{ tx *tx }

// tileKey names a tile of a tenant's log.
type tileKey struct {
	tenant access.TenantID
	at     store.TileAt
}

func (l merkleLog) Head(tenant access.TenantID) (store.LogHead, error) {
	return l.tx.books.logHeads.rows[tenant], l.tx.mayRead()
}

func (l merkleLog) Advance(tenant access.TenantID, from int64, to store.LogHead, tiles []store.Tile) error {
	if err := l.tx.mayWrite(); err != nil {
		return err
	}
	b := &l.tx.books
	switch size := b.logHeads.rows[tenant].Size; {
	case to.Size <= from:
		return access.Errorf(access.KindInvalid, "A log of %d events does not grow to %d.", from, to.Size)
	case size != from:
		return access.Errorf(access.KindConflict, "The log of tenant %.128q has %d events, not %d.", tenant, size, from)
	}
	to.At, to.Checkpoint = whole(to.At), bytes.Clone(to.Checkpoint)
	b.logHeads.mine(l.tx)[tenant] = to
	for _, t := range tiles {
		b.logTiles.mine(l.tx)[tileKey{tenant, t.TileAt}] = bytes.Clone(t.Hashes)
	}
	return nil
}

func (l merkleLog) Tiles(tenant access.TenantID, at ...store.TileAt) ([]store.Tile, error) {
	tiles := make([]store.Tile, len(at))
	for i, place := range at {
		hashes, there := l.tx.books.logTiles.rows[tileKey{tenant, place}]
		if !there {
			return nil, access.Errorf(access.KindNotFound, "There is no tile %d/%d of the log.", place.Level, place.Number)
		}
		tiles[i] = store.Tile{TileAt: place, Hashes: bytes.Clone(hashes)}
	}
	return tiles, l.tx.mayRead()
}
