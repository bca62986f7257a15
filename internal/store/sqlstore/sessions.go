package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// sessions implements store.Sessions.
type sessions struct{ tx *tx }

const sessionColumns = `tenant, id, issuer, subject, person, label, created_at, used_at, ends_at`

func (s sessions) Insert(v store.Pending) error {
	return s.tx.insert(alreadyThere("session", string(v.ID)), `
		INSERT INTO sessions (`+sessionColumns+`, code, challenge, code_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Principal.Issuer, v.Principal.Subject, v.Person, v.Label, micros(v.CreatedAt), micros(v.UsedAt), micros(v.EndsAt),
		v.Code[:], v.Challenge, micros(v.Until))
}

func (s sessions) ByCode(tenant access.TenantID, code store.SecretHash) (store.Pending, error) {
	scan := func(r row) (v store.Pending, err error) {
		v.Code = code
		err = r.Scan(append(sessionFields(&v.Session), &v.Challenge, timeColumn{&v.Until})...)
		return v, err
	}
	return queryOne(s.tx, scan, access.Errorf(access.KindNotFound, "This code is not known, or was used."),
		`SELECT `+sessionColumns+`, challenge, code_until FROM sessions WHERE tenant = $1 AND code = $2`, tenant, code[:])
}

func (s sessions) Issue(tenant access.TenantID, id access.SessionID, token store.SecretHash) error {
	n, err := s.tx.exec(`
		UPDATE sessions SET token = $3, code = NULL, challenge = '', code_until = NULL WHERE tenant = $1 AND id = $2 AND code IS NOT NULL`,
		tenant, id, token[:])
	if err == nil && n == 0 {
		return movedOn("session", string(id))
	}
	return err
}

func (s sessions) ByToken(tenant access.TenantID, token store.SecretHash) (access.Session, error) {
	return queryOne(s.tx, scanSession, access.Errorf(access.KindNotFound, "There is no session of this token."),
		`SELECT `+sessionColumns+` FROM sessions WHERE tenant = $1 AND token = $2`, tenant, token[:])
}

func (s sessions) Use(tenant access.TenantID, id access.SessionID, at time.Time) error {
	n, err := s.tx.exec(`UPDATE sessions SET used_at = CASE WHEN used_at < $3 THEN $3 ELSE used_at END WHERE tenant = $1 AND id = $2`, tenant, id, micros(at))
	if err == nil && n == 0 {
		return notFound("session", string(id))
	}
	return err
}

func (s sessions) List(tenant access.TenantID, principal access.PrincipalID, page store.Page) (
	items []access.Session, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	w.and("issuer", "=", principal.Issuer)
	w.and("subject", "=", principal.Subject)
	w.andText("token IS NOT NULL")
	limit, err := pageConditions(&w, sessionList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + sessionColumns + ` FROM sessions` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(s.tx, scanSession, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, sessionList, func(v access.Session) string { return string(v.ID) })
	return items, next, nil
}

func (s sessions) Delete(tenant access.TenantID, id access.SessionID) error {
	n, err := s.tx.exec(`DELETE FROM sessions WHERE tenant = $1 AND id = $2`, tenant, id)
	if err == nil && n == 0 {
		return notFound("session", string(id))
	}
	return err
}

func (s sessions) DeleteOf(tenant access.TenantID, person access.PersonID) (int, error) {
	n, err := s.tx.exec(`DELETE FROM sessions WHERE tenant = $1 AND person = $2 AND token IS NOT NULL`, tenant, person)
	if err != nil {
		return 0, err
	}
	_, err = s.tx.exec(`DELETE FROM sessions WHERE tenant = $1 AND person = $2`, tenant, person)
	return int(n), err
}

func (s sessions) DeleteEnded(tenant access.TenantID, now, idle time.Time, limit int) (int, error) {
	n, err := s.tx.exec(`
		DELETE FROM sessions WHERE tenant = $1 AND id IN (
			SELECT id FROM sessions WHERE tenant = $1 AND (ends_at <= $2 OR used_at <= $3 OR code_until <= $2) ORDER BY id`+limitTo("$4")+`)`,
		tenant, micros(now), micros(idle), clampLimit(limit))
	return int(n), err
}

func scanSession(r row) (v access.Session, err error) {
	err = r.Scan(sessionFields(&v)...)
	return v, err
}

// sessionFields are where sessionColumns go.
func sessionFields(v *access.Session) []any {
	return []any{
		&v.Tenant, &v.ID, &v.Principal.Issuer, &v.Principal.Subject, &v.Person, &v.Label, timeColumn{&v.CreatedAt}, timeColumn{&v.UsedAt}, timeColumn{&v.EndsAt},
	}
}
