package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxCursorCheckpoint bounds Cursor.Checkpoint, in bytes.
const MaxCursorCheckpoint = 16 << 10

// Cursor is how far a destination has been served with a tenant's log.
type Cursor struct {
	// Position is the last one that it has; 0 while it has none.
	Position int64
	// Checkpoint is the signed checkpoint that a witness was given last; nil where entries are delivered.
	Checkpoint []byte
	// At is when it was served.
	At time.Time
}

// Cursors remember, by the name of each destination, how far it has been served.
type Cursors interface {
	// Get is the destination's cursor; the zero Cursor while it has been served nothing.
	Get(tenant access.TenantID, destination string) (Cursor, error)
	// Advance moves the destination's cursor from one position to a later one. When it is not at the first any more it is
	// access.KindConflict. A name of no bytes or more than 256, a position that is not later, and a checkpoint of more than
	// MaxCursorCheckpoint are access.KindInvalid.
	Advance(tenant access.TenantID, destination string, from int64, to Cursor) error
}
