package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// policies implements store.Policies.
type policies struct{ tx *tx }

func (p policies) Put(tenant access.TenantID, digest string, text []byte) error {
	_, err := p.tx.exec(`INSERT INTO policies (tenant, digest, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		tenant, digest, text)
	return err
}

func (p policies) Get(tenant access.TenantID, digest string) ([]byte, error) {
	return queryOne(p.tx, scanOne[[]byte], notFound("policy set", digest),
		`SELECT text FROM policies WHERE tenant = $1 AND digest = $2`, tenant, digest)
}
