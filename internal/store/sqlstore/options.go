package sqlstore

import (
	"log/slog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Options are what a store is handed from outside.
type Options struct {
	// Clock is the machine's clock where it is nil. A store on PostgreSQL goes by the server's clock instead.
	Clock access.Clock
	// Ballast is for a store on SQLite.
	Ballast Ballast
	// NumberEvents has a store on SQLite number events in the commit that they come with, so that Events.Sequence finds none
	// to number. PostgreSQL, which has many writers, would have them wait for each other.
	NumberEvents bool
	// Background says of which transactions nobody notices when they take a little longer: on SQLite, where all transactions
	// have one writer, the others go first. Nil is none.
	Background func(store.TxName) bool
	// Log is told what becomes of the ballast. Nil is nobody.
	Log *slog.Logger
}
