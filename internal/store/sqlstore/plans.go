package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// plans implements store.Plans.
type plans struct{ tx *tx }

func (p plans) Put(tenant access.TenantID, grant access.GrantID, sealed []byte) error {
	_, err := p.tx.exec(`
		INSERT INTO plans (tenant, grant_id, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (tenant, grant_id) DO UPDATE SET sealed = excluded.sealed`, tenant, grant, sealed)
	return err
}

func (p plans) Get(tenant access.TenantID, grant access.GrantID) ([]byte, error) {
	return queryOne(p.tx, scanOne[[]byte], notFound("plan of grant", string(grant)),
		`SELECT sealed FROM plans WHERE tenant = $1 AND grant_id = $2`, tenant, grant)
}
