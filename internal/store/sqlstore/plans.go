package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// plans implements store.Plans.
type plans struct{ tx *tx }

// seals is a condition on a generation of the keys, the parameter $4, that still seals.
const seals = `EXISTS (SELECT 1 FROM tenant_keys AS k WHERE k.tenant = $1 AND k.generation = $4 AND k.sealing IS NOT NULL)`

func (p plans) Put(tenant access.TenantID, grant access.GrantID, sealed store.Sealed) error {
	return p.tx.insert(sealsNoMore(sealed), `
		INSERT INTO plans (tenant, grant_id, sealed, key_generation) SELECT $1, $2, $3, $4 WHERE `+seals+`
		ON CONFLICT (tenant, grant_id) DO UPDATE SET sealed = excluded.sealed, key_generation = excluded.key_generation`,
		tenant, grant, sealed.Bytes, sealed.Generation)
}

func sealsNoMore(sealed store.Sealed) error {
	return access.Errorf(access.KindConflict, "Generation %d of the keys seals no more; seal it anew.", sealed.Generation)
}

func (p plans) Get(tenant access.TenantID, grant access.GrantID) ([]byte, error) {
	return queryOne(p.tx, scanOne[[]byte], notFound("plan of grant", string(grant)),
		`SELECT sealed FROM plans WHERE tenant = $1 AND grant_id = $2`, tenant, grant)
}

func (p plans) SealedBefore(tenant access.TenantID, generation, limit int) ([]store.SealedPlan, error) {
	return queryAll(p.tx, scanSealedPlan, `
		SELECT grant_id, key_generation, sealed FROM plans WHERE tenant = $1 AND key_generation < $2
		ORDER BY key_generation, grant_id`+limitTo("$3"), tenant, generation, clampLimit(limit))
}

func (p plans) Reseal(tenant access.TenantID, was store.SealedPlan, now store.Sealed) error {
	n, err := p.tx.exec(`
		UPDATE plans SET sealed = $3, key_generation = $4 WHERE tenant = $1 AND grant_id = $2 AND sealed = $5 AND `+seals,
		tenant, was.Grant, now.Bytes, now.Generation, was.Bytes)
	if err == nil && n == 0 {
		return movedOn("plan of grant", string(was.Grant))
	}
	return err
}

func scanSealedPlan(r row) (p store.SealedPlan, err error) {
	err = r.Scan(&p.Grant, countColumn{&p.Generation}, &p.Bytes)
	return p, err
}
