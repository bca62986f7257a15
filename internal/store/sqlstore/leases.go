package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// leases implements store.Leases.
type leases struct{ tx *tx }

func (l leases) Acquire(name, holder string, until time.Time) (bool, error) {
	if name == "" || holder == "" || !until.After(l.tx.now) {
		return false, access.Errorf(access.KindInvalid, "a lease needs a name, a holder, and an end that is after now")
	}
	n, err := l.tx.exec(`
		INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.holder = excluded.holder OR leases.expires_at <= $4`,
		name, holder, micros(until), micros(l.tx.now))
	return n == 1, err
}

func (l leases) Release(name, holder string) error {
	_, err := l.tx.exec(`DELETE FROM leases WHERE name = $1 AND holder = $2`, name, holder)
	return err
}
