package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// delegations implements store.Delegations.
type delegations struct{ tx *tx }

const delegationColumns = `tenant, id, absent_issuer, absent_subject, absent_person, delegate_issuer, delegate_subject,
	delegate_person, from_at, until_at, reason, created_at, ended_at, ended_by_issuer, ended_by_subject`

func (d delegations) Insert(v access.Delegation) error {
	return d.tx.insert(alreadyThere("delegation", string(v.ID)), `
		INSERT INTO delegations (`+delegationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`,
		v.Tenant, v.ID, v.Absent.Issuer, v.Absent.Subject, v.AbsentPerson, v.Delegate.Issuer, v.Delegate.Subject, v.DelegatePerson,
		micros(v.From), micros(v.Until), v.Reason, micros(v.CreatedAt), micros(v.EndedAt), v.EndedBy.Issuer, v.EndedBy.Subject)
}

func (d delegations) Get(tenant access.TenantID, id access.DelegationID) (access.Delegation, error) {
	return queryOne(d.tx, scanDelegation, notFound("delegation", string(id)),
		`SELECT `+delegationColumns+` FROM delegations WHERE tenant = $1 AND id = $2`, tenant, id)
}

func (d delegations) End(v access.Delegation) error {
	n, err := d.tx.exec(`
		UPDATE delegations SET ended_at = $3, ended_by_issuer = $4, ended_by_subject = $5
		WHERE tenant = $1 AND id = $2 AND ended_at IS NULL`,
		v.Tenant, v.ID, micros(v.EndedAt), v.EndedBy.Issuer, v.EndedBy.Subject)
	if err != nil || n > 0 {
		return err
	}
	if _, err := d.Get(v.Tenant, v.ID); err != nil {
		return err
	}
	return access.Errorf(access.KindConflict, "The delegation %.128q was ended before.", v.ID)
}

func (d delegations) List(tenant access.TenantID, filter store.DelegationFilter, page store.Page) (
	items []access.Delegation, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if filter.Absent != "" {
		w.and("absent_person", "=", filter.Absent)
	}
	if filter.Delegate != "" {
		w.and("delegate_person", "=", filter.Delegate)
	}
	if !filter.Standing.IsZero() {
		w.and("until_at", ">", access.Micros(filter.Standing))
		w.andText("ended_at IS NULL")
	}
	limit, err := pageConditions(&w, delegationList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + delegationColumns + ` FROM delegations` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(d.tx, scanDelegation, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, delegationList, func(v access.Delegation) string { return string(v.ID) })
	return items, next, nil
}

func scanDelegation(r row) (v access.Delegation, err error) {
	err = r.Scan(&v.Tenant, &v.ID, &v.Absent.Issuer, &v.Absent.Subject, &v.AbsentPerson, &v.Delegate.Issuer, &v.Delegate.Subject,
		&v.DelegatePerson, timeColumn{&v.From}, timeColumn{&v.Until}, &v.Reason, timeColumn{&v.CreatedAt}, timeColumn{&v.EndedAt},
		&v.EndedBy.Issuer, &v.EndedBy.Subject)
	return v, err
}
