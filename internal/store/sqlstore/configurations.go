package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// configurations implements store.Configurations.
type configurations struct{ tx *tx }

const configurationColumns = `tenant, state, digest, since`

func (c configurations) Put(v store.Configuration, text store.Sealed) error {
	if v.State == store.ConfigurationWaiting {
		if err := c.dropApprovals(v.Tenant); err != nil {
			return err
		}
	}
	return c.tx.insert(sealsNoMore(text), `
		INSERT INTO configurations (tenant, state, sealed, key_generation, digest, since)
		SELECT $1, $2, $3, $4, $5, $6 WHERE `+seals+`
		ON CONFLICT (tenant, state) DO UPDATE SET
			sealed = excluded.sealed, key_generation = excluded.key_generation, digest = excluded.digest, since = excluded.since`,
		v.Tenant, v.State, text.Bytes, text.Generation, v.Digest, micros(v.Since))
}

func (c configurations) dropApprovals(tenant access.TenantID) error {
	_, err := c.tx.exec(`DELETE FROM configuration_approvals WHERE tenant = $1`, tenant)
	return err
}

func (c configurations) Get(tenant access.TenantID, state store.ConfigurationState) (store.Configuration, error) {
	return queryOne(c.tx, scanConfiguration, notFound("configuration", string(state)),
		`SELECT `+configurationColumns+` FROM configurations WHERE tenant = $1 AND state = $2`, tenant, state)
}

func (c configurations) Text(tenant access.TenantID, state store.ConfigurationState) (store.SealedConfiguration, error) {
	return queryOne(c.tx, scanSealedConfiguration, notFound("configuration", string(state)),
		`SELECT state, digest, key_generation, sealed FROM configurations WHERE tenant = $1 AND state = $2`, tenant, state)
}

func (c configurations) Withdraw(tenant access.TenantID) error {
	if err := c.dropApprovals(tenant); err != nil {
		return err
	}
	_, err := c.tx.exec(`DELETE FROM configurations WHERE tenant = $1 AND state = $2`, tenant, store.ConfigurationWaiting)
	return err
}

func (c configurations) Approve(a store.ConfigurationApproval) error {
	waiting, err := c.Get(a.Tenant, store.ConfigurationWaiting)
	if access.KindOf(err) == access.KindNotFound || err == nil && waiting.Digest != a.Digest {
		return movedOn("configuration", string(store.ConfigurationWaiting))
	}
	if err != nil {
		return err
	}
	return c.tx.insert(alreadyThere("approval of the configuration by", string(a.Person)), `
		INSERT INTO configuration_approvals (tenant, digest, issuer, subject, person, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, a.Tenant, a.Digest, a.By.Issuer, a.By.Subject, a.Person, micros(a.At))
}

func (c configurations) Approvals(tenant access.TenantID) ([]store.ConfigurationApproval, error) {
	return queryAll(c.tx, scanConfigurationApproval, `
		SELECT tenant, digest, issuer, subject, person, at FROM configuration_approvals WHERE tenant = $1 ORDER BY at, person`, tenant)
}

func (c configurations) Disapprove(tenant access.TenantID, person access.PersonID) error {
	_, err := c.tx.exec(`DELETE FROM configuration_approvals WHERE tenant = $1 AND person = $2`, tenant, person)
	return err
}

func (c configurations) SealedBefore(tenant access.TenantID, generation int) ([]store.SealedConfiguration, error) {
	return queryAll(c.tx, scanSealedConfiguration, `
		SELECT state, digest, key_generation, sealed FROM configurations WHERE tenant = $1 AND key_generation < $2
		ORDER BY state`, tenant, generation)
}

func (c configurations) Reseal(tenant access.TenantID, was store.SealedConfiguration, now store.Sealed) error {
	n, err := c.tx.exec(`
		UPDATE configurations SET sealed = $3, key_generation = $4 WHERE tenant = $1 AND state = $2 AND sealed = $5 AND `+seals,
		tenant, was.State, now.Bytes, now.Generation, was.Bytes)
	if err == nil && n == 0 {
		return movedOn("configuration", string(was.State))
	}
	return err
}

func scanConfiguration(r row) (v store.Configuration, err error) {
	err = r.Scan(&v.Tenant, &v.State, &v.Digest, timeColumn{&v.Since})
	return v, err
}

func scanSealedConfiguration(r row) (v store.SealedConfiguration, err error) {
	err = r.Scan(&v.State, &v.Digest, countColumn{&v.Generation}, &v.Bytes)
	return v, err
}

func scanConfigurationApproval(r row) (a store.ConfigurationApproval, err error) {
	err = r.Scan(&a.Tenant, &a.Digest, &a.By.Issuer, &a.By.Subject, &a.Person, timeColumn{&a.At})
	return a, err
}
