package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// installation implements store.Installation.
type installation struct{ tx *tx }

func (i installation) ID() (string, error) {
	return queryOne(i.tx, scanOne[string], access.Errorf(access.KindInternal, "the store has no installation ID"),
		`SELECT id FROM installation`)
}
