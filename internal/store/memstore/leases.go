package memstore

import (
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// longestLeaseName bounds names and holders, as the tables of the other stores do.
const longestLeaseName = 256

// lease is who may do something, until when.
type lease struct {
	holder string
	until  time.Time
}

// leases implements store.Leases.
type leases struct{ tx *tx }

func (l leases) Acquire(name, holder string, until time.Time) (bool, error) {
	if err := l.tx.mayWrite(); err != nil {
		return false, err
	}
	until = whole(until)
	if !isLeaseName(name) || !isLeaseName(holder) || !until.After(l.tx.now) {
		return false, access.Errorf(access.KindInvalid, "a lease needs a name, a holder, and an end that is after now")
	}
	if held := l.tx.books.leases.rows[name]; held.holder != holder && held.until.After(l.tx.now) {
		return false, nil
	}
	l.tx.books.leases.mine(l.tx)[name] = lease{holder, until}
	return true, nil
}

func (l leases) Release(name, holder string) error {
	if err := l.tx.mayWrite(); err != nil {
		return err
	}
	if l.tx.books.leases.rows[name].holder == holder {
		delete(l.tx.books.leases.mine(l.tx), name)
	}
	return nil
}

func isLeaseName(s string) bool {
	return s != "" && len(s) <= longestLeaseName && !strings.Contains(s, "\x00")
}
