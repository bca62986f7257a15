package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// TileAt is the place of a tile in a log's tree: the level of tiles, from 0 for the leaves on, and its number there.
type TileAt struct {
	Level  int
	Number int64
}

// MaxTileBytes is the size of a full tile: 256 hashes of 32 bytes.
const MaxTileBytes = 256 * 32

// Tile is a piece of a log's tree. It grows at its end until it is full.
type Tile struct {
	TileAt
	Hashes []byte
}

// LogHead is how far a log's tree has come.
type LogHead struct {
	// Size is how many events the tree has: those at positions 1 to Size.
	Size int64
	// Checkpoint is the signed checkpoint of that size.
	Checkpoint []byte
	// KeyGeneration is the generation of the tenant's keys of which one has signed it; 0 where nobody has noted it.
	KeyGeneration int
	At            time.Time
}

// Log is the Merkle tree over each tenant's numbered events. It keeps what it is given: package audit knows what the
// hashes are, and believes none that the head does not prove.
type Log interface {
	// Head is the newest head; the zero LogHead while there is none.
	Head(access.TenantID) (LogHead, error)
	// Advance replaces the head of size from by a larger one, with the tiles that are new or have grown. When the head is
	// not of that size any more it is access.KindConflict.
	Advance(tenant access.TenantID, from int64, to LogHead, tiles []Tile) error
	// Tiles reads tiles, in the order in which they are asked for; one that is not there is access.KindNotFound.
	Tiles(tenant access.TenantID, at ...TileAt) ([]Tile, error)
}
