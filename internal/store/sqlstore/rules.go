package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// rules implements store.Rules.
type rules struct{ tx *tx }

func (r rules) Decided(tenant access.TenantID) (string, error) {
	return queryOne(r.tx, scanOne[string], nil, `SELECT digest FROM rules_decided WHERE tenant = $1`, tenant)
}

func (r rules) SetDecided(tenant access.TenantID, digest string) error {
	if digest == "" {
		_, err := r.tx.exec(`DELETE FROM rules_decided WHERE tenant = $1`, tenant)
		return err
	}
	_, err := r.tx.exec(`
		INSERT INTO rules_decided (tenant, digest) VALUES ($1, $2)
		ON CONFLICT (tenant) DO UPDATE SET digest = excluded.digest`, tenant, digest)
	return err
}
