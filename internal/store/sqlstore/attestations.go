package sqlstore

import "github.com/curfewhq/curfew/internal/access"

// attestations implements store.Attestations.
type attestations struct{ tx *tx }

func (a attestations) Insert(v access.Attestation) error {
	taken := access.Errorf(access.KindConflict, "This person has attested to grant %.128q already.", v.Grant)
	return a.tx.insert(taken, `
		INSERT INTO attestations (tenant, grant_id, person, by_issuer, by_subject, reason, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		v.Tenant, v.Grant, v.Person, v.By.Issuer, v.By.Subject, v.Reason, micros(v.At))
}

func (a attestations) List(tenant access.TenantID, grant access.GrantID) ([]access.Attestation, error) {
	return queryAll(a.tx, scanAttestation, `
		SELECT tenant, grant_id, person, by_issuer, by_subject, reason, at
		FROM attestations WHERE tenant = $1 AND grant_id = $2 ORDER BY person`, tenant, grant)
}

func scanAttestation(r row) (v access.Attestation, err error) {
	err = r.Scan(&v.Tenant, &v.Grant, &v.Person, &v.By.Issuer, &v.By.Subject, &v.Reason, timeColumn{&v.At})
	return v, err
}
