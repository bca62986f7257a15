package memstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// spentKey is a token of a tenant's that was used; its row says until when that is kept.
type spentKey struct {
	tenant access.TenantID
	token  store.SecretHash
}

// spentTokens implements store.SpentTokens.
type spentTokens struct{ tx *tx }

func (s spentTokens) Spent(tenant access.TenantID, token store.SecretHash) (bool, error) {
	if err := s.tx.mayRead(); err != nil {
		return false, err
	}
	_, spent := s.tx.books.spent.rows[spentKey{tenant, token}]
	return spent, nil
}

func (s spentTokens) Spend(tenant access.TenantID, token store.SecretHash, until time.Time) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	k := spentKey{tenant, token}
	if _, there := s.tx.books.spent.rows[k]; there {
		return access.Errorf(access.KindConflict, "This token was used before.")
	}
	s.tx.books.spent.mine(s.tx)[k] = whole(until)
	return nil
}

func (s spentTokens) DeleteEnded(tenant access.TenantID, now time.Time, limit int) (n int, err error) {
	if err := s.tx.mayWrite(); err != nil {
		return 0, err
	}
	rows := s.tx.books.spent.mine(s.tx)
	for k, until := range rows {
		if n < clampLimit(limit) && k.tenant == tenant && !until.After(now) {
			delete(rows, k)
			n++
		}
	}
	return n, nil
}
