package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// credentials implements store.Credentials.
type credentials struct{ tx *tx }

func (c credentials) Put(tenant access.TenantID, sealed access.SealedCredential) error {
	_, err := c.tx.exec(`
		INSERT INTO credentials (tenant, grant_id, attempt, recipient, ciphertext, issued_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant, grant_id) DO UPDATE SET attempt = excluded.attempt, recipient = excluded.recipient,
			ciphertext = excluded.ciphertext, issued_at = excluded.issued_at`,
		tenant, sealed.Grant, sealed.Attempt, sealed.Recipient, sealed.Ciphertext, micros(sealed.IssuedAt))
	return err
}

func (c credentials) Get(tenant access.TenantID, grant access.GrantID) (access.SealedCredential, error) {
	return queryOne(c.tx, scanCredential, notFound("credential of grant", string(grant)), `
		SELECT grant_id, attempt, recipient, ciphertext, issued_at
		FROM credentials WHERE tenant = $1 AND grant_id = $2`, tenant, grant)
}

func (c credentials) Delete(tenant access.TenantID, grant access.GrantID) error {
	_, err := c.tx.exec(`DELETE FROM credentials WHERE tenant = $1 AND grant_id = $2`, tenant, grant)
	return err
}

func scanCredential(r row) (c access.SealedCredential, err error) {
	err = r.Scan(&c.Grant, &c.Attempt, &c.Recipient, &c.Ciphertext, timeColumn{&c.IssuedAt})
	return c, err
}
