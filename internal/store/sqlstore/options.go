package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// Options are what a store is handed from outside.
type Options struct {
	// Clock is the machine's clock where it is nil. A store on PostgreSQL goes by the server's clock instead.
	Clock access.Clock
}
