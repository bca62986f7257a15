package sqlstore

import (
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// freezes implements store.Freezes.
type freezes struct{ tx *tx }

const freezeColumns = `tenant, id, scope, value, reason, by_issuer, by_subject, since, sweep_cursor, swept_at, revoked`

func (f freezes) Insert(freeze access.Freeze) error {
	taken := access.Errorf(access.KindConflict, "This %.32s is frozen already.", freeze.Scope)
	return f.tx.insert(taken, `
		INSERT INTO freezes (`+freezeColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		freeze.Tenant, freeze.ID, freeze.Scope, freeze.Value, freeze.Reason, freeze.By.Issuer, freeze.By.Subject,
		micros(freeze.Since), freeze.SweepCursor, micros(freeze.SweptAt), freeze.Revoked)
}

func (f freezes) Get(tenant access.TenantID, id access.FreezeID) (access.Freeze, error) {
	return queryOne(f.tx, scanFreeze, notFound("freeze", string(id)),
		`SELECT `+freezeColumns+` FROM freezes WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (f freezes) Update(freeze access.Freeze) error {
	n, err := f.tx.exec(`
		UPDATE freezes SET sweep_cursor = $3, swept_at = $4, revoked = $5 WHERE tenant = $1 AND id = $2`,
		freeze.Tenant, freeze.ID, freeze.SweepCursor, micros(freeze.SweptAt), freeze.Revoked)
	if err == nil && n == 0 {
		return notFound("freeze", string(freeze.ID))
	}
	return err
}

func (f freezes) Delete(tenant access.TenantID, id access.FreezeID) error {
	n, err := f.tx.exec(`DELETE FROM freezes WHERE tenant = $1 AND id = $2`, tenant, id)
	if err == nil && n == 0 {
		return notFound("freeze", string(id))
	}
	return err
}

func (f freezes) Covering(
	tenant access.TenantID, person access.PersonID, connector access.ConnectorName,
) ([]access.Freeze, error) {
	items, err := queryAll(f.tx, scanFreeze, `
		SELECT `+freezeColumns+` FROM freezes
		WHERE tenant = $1 AND (scope, value) IN (VALUES ('everything', ''), ('person', $2), ('connector', $3))`, tenant, person, connector)
	slices.SortFunc(items, func(a, b access.Freeze) int { return cmp.Compare(a.ID, b.ID) }) // three at most
	return items, err
}

func (f freezes) Unswept(tenant access.TenantID, limit int) ([]access.Freeze, error) {
	return queryAll(f.tx, scanFreeze, `
		SELECT `+freezeColumns+` FROM freezes WHERE tenant = $1 AND swept_at IS NULL ORDER BY id`+limitTo("$2"),
		tenant, clampLimit(limit))
}

func (f freezes) List(tenant access.TenantID, page store.Page) (items []access.Freeze, next string, err error) {
	var w where
	w.and("tenant", "=", tenant)
	limit, err := pageConditions(&w, freezeList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + freezeColumns + ` FROM freezes` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(f.tx, scanFreeze, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, freezeList, func(f access.Freeze) string { return string(f.ID) })
	return items, next, nil
}

func scanFreeze(r row) (f access.Freeze, err error) {
	err = r.Scan(&f.Tenant, &f.ID, &f.Scope, &f.Value, &f.Reason, &f.By.Issuer, &f.By.Subject, timeColumn{&f.Since},
		&f.SweepCursor, timeColumn{&f.SweptAt}, &f.Revoked)
	return f, err
}
