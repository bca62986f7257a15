package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// findings implements store.Findings.
type findings struct{ tx *tx }

const findingColumns = `tenant, id, connector, kind, state, mark, target, account, native_right, grant_id, note,
	found_at, closed_at, closed_by_issuer, closed_by_subject, reason, version`

func (t findings) Insert(f access.Finding) error {
	return t.tx.insert(alreadyThere("finding", string(f.ID)), `
		INSERT INTO findings (`+findingColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT DO NOTHING`,
		f.Tenant, f.ID, f.Connector, f.Kind, f.State, f.Mark, f.Atom.Target, f.Atom.Account, f.Atom.Right, f.Grant,
		f.Note, micros(f.FoundAt), micros(f.ClosedAt), f.ClosedBy.Issuer, f.ClosedBy.Subject, f.Reason, f.Version)
}

func (t findings) Get(tenant access.TenantID, id access.FindingID) (access.Finding, error) {
	return queryOne(t.tx, scanFinding, notFound("finding", string(id)),
		`SELECT `+findingColumns+` FROM findings WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (t findings) Update(f access.Finding) error {
	stored, err := t.Get(f.Tenant, f.ID)
	if err != nil {
		return err
	}
	if stored.Version != f.Version {
		return movedOn("finding", string(f.ID))
	}
	if !stored.State.CanBecome(f.State) {
		return access.Errorf(access.KindConflict, "The finding %q is %s and cannot become %.32q.", f.ID, stored.State,
			f.State)
	}
	n, err := t.tx.exec(`
		UPDATE findings SET state = $4, closed_at = $5, closed_by_issuer = $6, closed_by_subject = $7, reason = $8,
			version = version + 1
		WHERE tenant = $1 AND id = $2 AND version = $3`,
		f.Tenant, f.ID, f.Version, f.State, micros(f.ClosedAt), f.ClosedBy.Issuer, f.ClosedBy.Subject, f.Reason)
	if err == nil && n == 0 {
		return movedOn("finding", string(f.ID))
	}
	return err
}

func (t findings) List(tenant access.TenantID, filter store.FindingFilter, page store.Page) (
	items []access.Finding, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if filter.Connector != "" {
		w.and("connector", "=", filter.Connector)
	}
	if filter.State != "" {
		w.and("state", "=", filter.State)
	}
	limit, err := pageConditions(&w, findingList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + findingColumns + ` FROM findings` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(t.tx, scanFinding, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, findingList, func(f access.Finding) string { return string(f.ID) })
	return items, next, nil
}

func scanFinding(r row) (f access.Finding, err error) {
	err = r.Scan(&f.Tenant, &f.ID, &f.Connector, &f.Kind, &f.State, &f.Mark, &f.Atom.Target, &f.Atom.Account,
		&f.Atom.Right, &f.Grant, &f.Note, timeColumn{&f.FoundAt}, timeColumn{&f.ClosedAt}, &f.ClosedBy.Issuer,
		&f.ClosedBy.Subject, &f.Reason, &f.Version)
	return f, err
}
