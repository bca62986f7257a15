package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// sessions implements store.Sessions.
type sessions struct{ tx *tx }

const sessionColumns = `tenant, id, issuer, subject, person, label, created_at, used_at, ends_at, kind, scopes,
	issued_by_issuer, issued_by_subject, provider_session`

func (s sessions) Insert(v store.Pending) error {
	return s.insert(v.Session, `code, challenge, code_until`, `$15, $16, $17`, v.Code[:], v.Challenge, micros(v.Until))
}

func (s sessions) Begin(v access.Session, token store.SecretHash) error {
	return s.insert(v, `token, challenge`, `$15, ''`, token[:])
}

// insert writes a session with what leads to it.
func (s sessions) insert(v access.Session, columns, values string, secret ...any) error {
	scopes, err := jsonText(v.Scopes)
	if err != nil {
		return err
	}
	args := []any{
		v.Tenant, v.ID, v.Principal.Issuer, v.Principal.Subject, v.Person, v.Label, micros(v.CreatedAt), micros(v.UsedAt), micros(v.EndsAt),
		v.Kind, scopes, v.IssuedBy.Issuer, v.IssuedBy.Subject, v.ProviderSession,
	}
	return s.tx.insert(alreadyThere("session", string(v.ID)), `
		INSERT INTO sessions (`+sessionColumns+`, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, `+values+`) ON CONFLICT DO NOTHING`, append(args, secret...)...)
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

func (s sessions) Get(tenant access.TenantID, id access.SessionID) (access.Session, error) {
	return queryOne(s.tx, scanSession, notFound("session", string(id)),
		`SELECT `+sessionColumns+` FROM sessions WHERE tenant = $1 AND id = $2 AND token IS NOT NULL`, tenant, id)
}

func (s sessions) ByToken(tenant access.TenantID, token store.SecretHash) (access.Session, error) {
	return queryOne(s.tx, scanSession, access.Errorf(access.KindNotFound, "There is no session of this token."),
		`SELECT `+sessionColumns+` FROM sessions WHERE tenant = $1 AND token = $2`, tenant, token[:])
}

func (s sessions) Rotation(tenant access.TenantID, id access.SessionID) (store.Rotation, error) {
	scan := func(r row) (v store.Rotation, err error) {
		err = r.Scan(hashColumn{&v.Secret}, hashColumn{&v.Before}, timeColumn{&v.At}, &v.Seen)
		return v, err
	}
	return queryOne(s.tx, scan, notFound("session", string(id)),
		`SELECT secret, secret_before, secret_at, secret_seen FROM sessions WHERE tenant = $1 AND id = $2 AND secret IS NOT NULL`, tenant, id)
}

func (s sessions) Rotate(tenant access.TenantID, id access.SessionID, v store.Rotation) error {
	n, err := s.tx.exec(`
		UPDATE sessions SET secret = $3, secret_before = $4, secret_at = $5, secret_seen = $6 WHERE tenant = $1 AND id = $2 AND kind = 'browser'`,
		tenant, id, v.Secret[:], hashOrNull(v.Before), micros(v.At), v.Seen)
	if err == nil && n == 0 {
		return notFound("session", string(id))
	}
	return err
}

func (s sessions) Use(tenant access.TenantID, id access.SessionID, at time.Time) error {
	n, err := s.tx.exec(`UPDATE sessions SET used_at = CASE WHEN used_at < $3 THEN $3 ELSE used_at END WHERE tenant = $1 AND id = $2`, tenant, id, micros(at))
	if err == nil && n == 0 {
		return notFound("session", string(id))
	}
	return err
}

func (s sessions) List(tenant access.TenantID, filter store.SessionFilter, page store.Page) (
	items []access.Session, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if !filter.Principal.IsZero() {
		w.and("issuer", "=", filter.Principal.Issuer)
		w.and("subject", "=", filter.Principal.Subject)
	}
	if filter.Person != "" {
		w.and("person", "=", filter.Person)
	}
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

func (s sessions) DeleteSignIns(tenant access.TenantID, of store.SignIns) (ended []access.Session, err error) {
	if of.Subject == "" && of.ProviderSession == "" {
		return nil, access.Errorf(access.KindInvalid, "a selection of sign-ins without a subject and without a session")
	}
	var w where
	w.and("tenant", "=", tenant)
	w.and("issuer", "=", of.Source)
	if of.Subject != "" {
		w.and("subject", "=", of.Subject)
	}
	if of.ProviderSession != "" {
		w.and("provider_session", "=", of.ProviderSession)
		w.andText("provider_session <> ''") // which is said of its index
	}
	w.andText("kind IN ('sign-in', 'browser')")
	ended, err = queryAll(s.tx, scanSession, `SELECT `+sessionColumns+` FROM sessions`+w.String()+` AND token IS NOT NULL ORDER BY id DESC`, w.args...)
	if err != nil {
		return nil, err
	}
	_, err = s.tx.exec(`DELETE FROM sessions`+w.String(), w.args...)
	return ended, err
}

func (s sessions) DeleteEnded(tenant access.TenantID, now, idle time.Time, limit int) (int, error) {
	n, err := s.tx.exec(`
		DELETE FROM sessions WHERE tenant = $1 AND id IN (
			SELECT id FROM sessions WHERE tenant = $1 AND (ends_at <= $2 OR kind IN ('sign-in', 'browser') AND used_at <= $3 OR code_until <= $2) ORDER BY id`+limitTo("$4")+`)`,
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
		&v.Kind, jsonColumn{&v.Scopes}, &v.IssuedBy.Issuer, &v.IssuedBy.Subject,
		&v.ProviderSession,
	}
}
