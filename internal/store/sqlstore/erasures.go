package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
)

// erasures implements store.Erasures.
type erasures struct{ tx *tx }

const erasureColumns = `tenant, id, person, principals, accounts, by_issuer, by_subject, reason, pseudonym, begun_at, done_at,
	stage, at_cursor, counts, version`

func (e erasures) Insert(v access.Erasure) error {
	known, err := knownNames(v)
	if err != nil {
		return err
	}
	counts, err := jsonText(v.Counts)
	if err != nil {
		return err
	}
	taken := access.Errorf(access.KindConflict, "This person is being forgotten already.")
	return e.tx.insert(taken, `
		INSERT INTO erasures (`+erasureColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Person, known.principals, known.accounts, v.By.Issuer, v.By.Subject, v.Reason, v.Pseudonym,
		micros(v.BegunAt), micros(v.DoneAt), v.Stage, v.Cursor, counts, v.Version)
}

// names are the lists of an erasure as JSON.
type names struct{ principals, accounts string }

func knownNames(v access.Erasure) (n names, err error) {
	if n.principals, err = jsonText(v.Principals); err == nil {
		n.accounts, err = jsonText(v.Accounts)
	}
	return n, err
}

func (e erasures) Get(tenant access.TenantID, id access.ErasureID) (access.Erasure, error) {
	return queryOne(e.tx, scanErasure, notFound("erasure", string(id)),
		`SELECT `+erasureColumns+` FROM erasures WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (e erasures) Update(v access.Erasure) error {
	stored, err := e.Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if stored.Version != v.Version || !stored.DoneAt.IsZero() {
		return movedOn("erasure", string(v.ID))
	}
	v.Person, v.By, v.Reason = stored.Person, stored.By, stored.Reason
	if !v.DoneAt.IsZero() {
		v.Person, v.Principals, v.Accounts, v.By, v.Reason = "", nil, nil, access.PrincipalID{}, ""
	}
	known, err := knownNames(v)
	if err != nil {
		return err
	}
	counts, err := jsonText(v.Counts)
	if err != nil {
		return err
	}
	n, err := e.tx.exec(`
		UPDATE erasures SET person = $4, principals = $5, accounts = $6, by_issuer = $7, by_subject = $8, reason = $9,
			done_at = $10, stage = $11, at_cursor = $12, counts = $13, version = version + 1
		WHERE tenant = $1 AND id = $2 AND version = $3`,
		v.Tenant, v.ID, v.Version, v.Person, known.principals, known.accounts, v.By.Issuer, v.By.Subject, v.Reason,
		micros(v.DoneAt), v.Stage, v.Cursor, counts)
	if !v.DoneAt.IsZero() {
		e.tx.erased, e.tx.erasedLast = true, true
	}
	if err == nil && n == 0 {
		return movedOn("erasure", string(v.ID))
	}
	return err
}

func (e erasures) Unfinished(tenant access.TenantID, limit int) ([]access.Erasure, error) {
	return queryAll(e.tx, scanErasure, `
		SELECT `+erasureColumns+` FROM erasures WHERE tenant = $1 AND done_at IS NULL ORDER BY id`+limitTo("$2"),
		tenant, clampLimit(limit))
}

func scanErasure(r row) (v access.Erasure, err error) {
	err = r.Scan(&v.Tenant, &v.ID, &v.Person, jsonColumn{&v.Principals}, jsonColumn{&v.Accounts}, &v.By.Issuer, &v.By.Subject,
		&v.Reason, &v.Pseudonym, timeColumn{&v.BegunAt}, timeColumn{&v.DoneAt}, &v.Stage, &v.Cursor, jsonColumn{&v.Counts},
		&v.Version)
	return v, err
}
