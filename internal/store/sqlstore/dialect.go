package sqlstore

import (
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
)

// dialect is everything in which one database differs from another.
type dialect struct {
	goose goose.Dialect
	// migrations is the folder of this database's migrations.
	migrations fs.FS
	// beginUpdate starts a transaction that will write, beginView one that reads a single snapshot.
	beginUpdate string
	beginView   string
	// lockDue ends the SELECT of grants about to be claimed, so that concurrent claims pass each other by.
	lockDue string
	// among follows a column that is to be one of the texts in the JSON array $2, in words by which each database searches
	// an index for each of them.
	among string
	// elements is the texts in the JSON array $2 as a table with the column value.
	elements string
	// beginErasing has the triggers let through what package store's Redactions write, and endErasing has them refuse it again.
	beginErasing, endErasing string

	dictionary dictionary
	// classify says what an error of the driver means, in a sentence that is safe to show.
	classify func(error) (access.Kind, string)
}

// unforeseen is the sentence for what no dialect knows.
const unforeseen = "The store failed in an unforeseen way; the server's log has the detail."
