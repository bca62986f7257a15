package sqlstore

import (
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// merkleLog implements store.Log.
type merkleLog struct{ tx *tx }

func (l merkleLog) Head(tenant access.TenantID) (store.LogHead, error) {
	return queryOne(l.tx, scanLogHead, nil, `SELECT size, checkpoint, key_generation, at FROM log_heads WHERE tenant = $1`, tenant)
}

func (l merkleLog) Advance(tenant access.TenantID, from int64, to store.LogHead, tiles []store.Tile) error {
	if to.Size <= from {
		return access.Errorf(access.KindInvalid, "A log of %d events does not grow to %d.", from, to.Size)
	}
	text := `UPDATE log_heads SET size = $3, checkpoint = $4, at = $5, key_generation = $6 WHERE tenant = $1 AND size = $2`
	if from == 0 {
		text = `INSERT INTO log_heads (tenant, size, checkpoint, at, key_generation) SELECT $1, $3, $4, $5, $6 WHERE $2 = 0 ON CONFLICT DO NOTHING`
	}
	n, err := l.tx.exec(text, tenant, from, to.Size, to.Checkpoint, micros(to.At), to.KeyGeneration)
	if err != nil {
		return err
	}
	if n == 0 {
		return movedOn("log of tenant", string(tenant))
	}
	for _, t := range tiles {
		_, err := l.tx.exec(`
			INSERT INTO log_tiles (tenant, level, number, hashes) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, level, number) DO UPDATE SET hashes = excluded.hashes`,
			tenant, t.Level, t.Number, t.Hashes)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l merkleLog) Tiles(tenant access.TenantID, at ...store.TileAt) ([]store.Tile, error) {
	tiles := make([]store.Tile, len(at))
	for i, place := range at {
		missing := notFound("tile of the log", fmt.Sprintf("%d/%d", place.Level, place.Number))
		hashes, err := queryOne(l.tx, scanOne[[]byte], missing,
			`SELECT hashes FROM log_tiles WHERE tenant = $1 AND level = $2 AND number = $3`, tenant, place.Level, place.Number)
		if err != nil {
			return nil, err
		}
		tiles[i] = store.Tile{TileAt: place, Hashes: hashes}
	}
	return tiles, nil
}

func scanLogHead(r row) (h store.LogHead, err error) {
	err = r.Scan(&h.Size, &h.Checkpoint, countColumn{&h.KeyGeneration}, timeColumn{&h.At})
	return h, err
}
