package identity

import "context"

// Lister is a source that lists everybody whom it knows. It is safe for concurrent use.
type Lister interface {
	// List lists everybody who may act at this moment, each once, in any order. Who has left or is disabled is not among them.
	// After an error nothing is known of anybody: half a list would take the access of the other half.
	List(ctx context.Context) ([]Account, error)
}

// MaxAccounts is how many people one source may list.
const MaxAccounts = 100_000
