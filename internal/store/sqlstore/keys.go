package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// keys implements store.Keys.
type keys struct{ tx *tx }

func (k keys) Get(tenant access.TenantID) ([]byte, error) {
	return queryOne(k.tx, scanOne[[]byte], notFound("key of tenant", string(tenant)),
		`SELECT wrapped FROM tenant_keys WHERE tenant = $1`, tenant)
}

func (k keys) Insert(tenant access.TenantID, wrapped []byte) error {
	return k.tx.insert(alreadyThere("key of tenant", string(tenant)),
		`INSERT INTO tenant_keys (tenant, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING`, tenant, wrapped)
}
