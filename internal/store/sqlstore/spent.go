package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// spentTokens implements store.SpentTokens.
type spentTokens struct{ tx *tx }

func (s spentTokens) Spent(tenant access.TenantID, token store.SecretHash) (bool, error) {
	n, err := queryOne(s.tx, scanInt, nil, `SELECT count(*) FROM spent_tokens WHERE tenant = $1 AND token = $2`, tenant, token[:])
	return n > 0, err
}

func (s spentTokens) Spend(tenant access.TenantID, token store.SecretHash, until time.Time) error {
	return s.tx.insert(access.Errorf(access.KindConflict, "This token was used before."),
		`INSERT INTO spent_tokens (tenant, token, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, tenant, token[:], micros(until))
}

func (s spentTokens) DeleteEnded(tenant access.TenantID, now time.Time, limit int) (int, error) {
	n, err := s.tx.exec(`
		DELETE FROM spent_tokens WHERE tenant = $1 AND token IN (
			SELECT token FROM spent_tokens WHERE tenant = $1 AND until <= $2 ORDER BY until`+limitTo("$3")+`)`,
		tenant, micros(now), clampLimit(limit))
	return int(n), err
}
