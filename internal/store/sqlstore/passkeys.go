package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// passkeys implements store.Passkeys.
type passkeys struct{ tx *tx }

const passkeyColumns = `tenant, id, issuer, subject, person, label, credential, public_key, counter, backup_eligible, backed_up,
	created_at, used_at, version`

func (p passkeys) Insert(v access.Passkey) error {
	return p.tx.insert(alreadyThere("passkey", string(v.ID)), `
		INSERT INTO passkeys (`+passkeyColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Principal.Issuer, v.Principal.Subject, v.Person, v.Label, v.CredentialID, v.PublicKey, int64(v.Counter),
		v.BackupEligible, v.BackedUp, micros(v.CreatedAt), micros(v.UsedAt))
}

func (p passkeys) List(tenant access.TenantID, principal access.PrincipalID) ([]access.Passkey, error) {
	return queryAll(p.tx, scanPasskey, `
		SELECT `+passkeyColumns+` FROM passkeys WHERE tenant = $1 AND issuer = $2 AND subject = $3 ORDER BY id`+limitTo("$4"),
		tenant, principal.Issuer, principal.Subject, store.MaxPasskeys)
}

func (p passkeys) Use(v access.Passkey) error {
	n, err := p.tx.exec(`
		UPDATE passkeys SET counter = $3, backed_up = $4, used_at = $5, version = version + 1
		WHERE tenant = $1 AND id = $2 AND version = $6`,
		v.Tenant, v.ID, int64(v.Counter), v.BackedUp, micros(v.UsedAt), v.Version)
	if err == nil && n == 0 {
		return movedOn("passkey", string(v.ID))
	}
	return err
}

func (p passkeys) Delete(tenant access.TenantID, id access.PasskeyID) error {
	n, err := p.tx.exec(`DELETE FROM passkeys WHERE tenant = $1 AND id = $2`, tenant, id)
	if err == nil && n == 0 {
		return notFound("passkey", string(id))
	}
	return err
}

func (p passkeys) DeleteOf(tenant access.TenantID, person access.PersonID) (int, error) {
	n, err := p.tx.exec(`DELETE FROM passkeys WHERE tenant = $1 AND person = $2`, tenant, person)
	return int(n), err
}

func scanPasskey(r row) (v access.Passkey, err error) {
	var counter int64
	err = r.Scan(&v.Tenant, &v.ID, &v.Principal.Issuer, &v.Principal.Subject, &v.Person, &v.Label, &v.CredentialID, &v.PublicKey, &counter,
		&v.BackupEligible, &v.BackedUp, timeColumn{&v.CreatedAt}, timeColumn{&v.UsedAt}, &v.Version)
	v.Counter = uint32(counter)
	return v, err
}

// recoveryCodes implements store.RecoveryCodes.
type recoveryCodes struct{ tx *tx }

func (c recoveryCodes) Replace(tenant access.TenantID, principal access.PrincipalID, person access.PersonID, codes []store.SecretHash) error {
	_, err := c.tx.exec(`DELETE FROM recovery_codes WHERE tenant = $1 AND issuer = $2 AND subject = $3`, tenant, principal.Issuer, principal.Subject)
	for i := 0; err == nil && i < len(codes); i++ {
		err = c.tx.insert(access.Errorf(access.KindConflict, "Two recovery codes are the same."), `
			INSERT INTO recovery_codes (tenant, issuer, subject, person, code) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			tenant, principal.Issuer, principal.Subject, person, codes[i][:])
	}
	return err
}

func (c recoveryCodes) Use(tenant access.TenantID, principal access.PrincipalID, code store.SecretHash) error {
	n, err := c.tx.exec(`DELETE FROM recovery_codes WHERE tenant = $1 AND issuer = $2 AND subject = $3 AND code = $4`,
		tenant, principal.Issuer, principal.Subject, code[:])
	if err == nil && n == 0 {
		return access.Errorf(access.KindNotFound, "There is no such recovery code.")
	}
	return err
}

func (c recoveryCodes) Left(tenant access.TenantID, principal access.PrincipalID) (int, error) {
	return queryOne(c.tx, scanOne[int], nil, `SELECT count(*) FROM recovery_codes WHERE tenant = $1 AND issuer = $2 AND subject = $3`,
		tenant, principal.Issuer, principal.Subject)
}

func (c recoveryCodes) DeleteOf(tenant access.TenantID, person access.PersonID) error {
	_, err := c.tx.exec(`DELETE FROM recovery_codes WHERE tenant = $1 AND person = $2`, tenant, person)
	return err
}

// ceremonies implements store.Ceremonies.
type ceremonies struct{ tx *tx }

const ceremonyColumns = `tenant, id, link, issuer, subject, person, state, until, done_at, version`

func (c ceremonies) Insert(v store.Ceremony) error {
	return c.tx.insert(alreadyThere("ceremony", string(v.ID)), `
		INSERT INTO ceremonies (`+ceremonyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Link[:], v.Principal.Issuer, v.Principal.Subject, v.Person, v.State, micros(v.Until), micros(v.DoneAt))
}

func (c ceremonies) Get(tenant access.TenantID, id access.CeremonyID) (store.Ceremony, error) {
	return queryOne(c.tx, scanCeremony, notFound("ceremony", string(id)),
		`SELECT `+ceremonyColumns+` FROM ceremonies WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (c ceremonies) ByLink(tenant access.TenantID, link store.SecretHash) (store.Ceremony, error) {
	return queryOne(c.tx, scanCeremony, access.Errorf(access.KindNotFound, "This link leads to nothing."),
		`SELECT `+ceremonyColumns+` FROM ceremonies WHERE tenant = $1 AND link = $2`, tenant, link[:])
}

func (c ceremonies) Update(v store.Ceremony) error {
	n, err := c.tx.exec(`
		UPDATE ceremonies SET state = $3, done_at = $4, version = version + 1 WHERE tenant = $1 AND id = $2 AND version = $5 AND done_at IS NULL`,
		v.Tenant, v.ID, v.State, micros(v.DoneAt), v.Version)
	if err == nil && n == 0 {
		return movedOn("ceremony", string(v.ID))
	}
	return err
}

func (c ceremonies) DeleteEnded(tenant access.TenantID, at time.Time, limit int) (int, error) {
	n, err := c.tx.exec(`
		DELETE FROM ceremonies WHERE tenant = $1 AND id IN (
			SELECT id FROM ceremonies WHERE tenant = $1 AND until <= $2 ORDER BY id`+limitTo("$3")+`)`,
		tenant, micros(at), clampLimit(limit))
	return int(n), err
}

func (c ceremonies) DeleteOf(tenant access.TenantID, person access.PersonID) error {
	_, err := c.tx.exec(`DELETE FROM ceremonies WHERE tenant = $1 AND person = $2`, tenant, person)
	return err
}

func scanCeremony(r row) (v store.Ceremony, err error) {
	var link []byte
	err = r.Scan(&v.Tenant, &v.ID, &link, &v.Principal.Issuer, &v.Principal.Subject, &v.Person, &v.State, timeColumn{&v.Until},
		timeColumn{&v.DoneAt}, &v.Version)
	copy(v.Link[:], link)
	return v, err
}

// confirmations implements store.Confirmations.
type confirmations struct{ tx *tx }

const confirmationColumns = `tenant, request, review, issuer, subject, person, passkey, hash, nonce, credential, public_key, client_data,
	authenticator_data, signature, at`

func (c confirmations) Insert(v access.Confirmation) error {
	return c.tx.insert(alreadyThere("confirmation of request", string(v.Request)), `
		INSERT INTO confirmations (`+confirmationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`,
		v.Tenant, v.Request, v.Review, v.Principal.Issuer, v.Principal.Subject, v.Person, v.Passkey, v.Hash, v.Nonce, v.CredentialID,
		v.PublicKey, v.ClientData, v.AuthenticatorData, v.Signature, micros(v.At))
}

func (c confirmations) List(tenant access.TenantID, request access.RequestID) ([]access.Confirmation, error) {
	return queryAll(c.tx, scanConfirmation,
		`SELECT `+confirmationColumns+` FROM confirmations WHERE tenant = $1 AND request = $2 ORDER BY review`, tenant, request)
}

func scanConfirmation(r row) (v access.Confirmation, err error) {
	err = r.Scan(&v.Tenant, &v.Request, &v.Review, &v.Principal.Issuer, &v.Principal.Subject, &v.Person, &v.Passkey, &v.Hash, &v.Nonce,
		&v.CredentialID, &v.PublicKey, &v.ClientData, &v.AuthenticatorData, &v.Signature, timeColumn{&v.At})
	return v, err
}
