package memstore

import (
	"bytes"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// longestDestination bounds the names of destinations, as the tables of the other stores do.
const longestDestination = 256

// cursors implements store.Cursors.
type cursors struct{ tx *tx }

func (c cursors) Get(tenant access.TenantID, destination string) (store.Cursor, error) {
	return c.tx.books.cursors.rows[key{tenant, destination}], c.tx.mayRead()
}

func (c cursors) Advance(tenant access.TenantID, destination string, from int64, to store.Cursor) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	if destination == "" || len(destination) > longestDestination || strings.Contains(destination, "\x00") {
		return access.Errorf(access.KindInvalid, "a destination's name has 1 to %d bytes", longestDestination)
	}
	if from < 0 || to.Position <= from || len(to.Checkpoint) > store.MaxCursorCheckpoint {
		return access.Errorf(access.KindInvalid, "a cursor moves on, not from %d to %d", from, to.Position)
	}
	k := key{tenant, destination}
	if c.tx.books.cursors.rows[k].Position != from {
		return movedOn("cursor of", destination)
	}
	to.At, to.Checkpoint = whole(to.At), bytes.Clone(to.Checkpoint)
	c.tx.books.cursors.mine(c.tx)[k] = to
	return nil
}
