package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// longestDestination bounds the names of destinations.
const longestDestination = 256

// cursors implements store.Cursors.
type cursors struct{ tx *tx }

func (c cursors) Get(tenant access.TenantID, destination string) (store.Cursor, error) {
	scan := func(r row) (v store.Cursor, err error) {
		err = r.Scan(&v.Position, &v.Checkpoint, timeColumn{&v.At})
		return v, err
	}
	return queryOne(c.tx, scan, nil, `SELECT position, checkpoint, at FROM delivery_cursors WHERE tenant = $1 AND destination = $2`, tenant, destination)
}

func (c cursors) Advance(tenant access.TenantID, destination string, from int64, to store.Cursor) error {
	if destination == "" || len(destination) > longestDestination {
		return access.Errorf(access.KindInvalid, "a destination's name has 1 to %d bytes", longestDestination)
	}
	if from < 0 || to.Position <= from || len(to.Checkpoint) > store.MaxCursorCheckpoint {
		return access.Errorf(access.KindInvalid, "a cursor moves on, not from %d to %d", from, to.Position)
	}
	text := `UPDATE delivery_cursors SET position = $4, checkpoint = $5, at = $6 WHERE tenant = $1 AND destination = $2 AND position = $3`
	if from == 0 {
		text = `INSERT INTO delivery_cursors (tenant, destination, position, checkpoint, at) SELECT $1, $2, $4, $5, $6 WHERE $3 = 0 ON CONFLICT DO NOTHING`
	}
	n, err := c.tx.exec(text, tenant, destination, from, to.Position, to.Checkpoint, micros(to.At))
	if err == nil && n == 0 {
		return movedOn("cursor of", destination)
	}
	return err
}
