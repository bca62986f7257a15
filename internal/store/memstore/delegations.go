package memstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// delegations implements store.Delegations.
type delegations struct{ tx *tx }

func delegationKey(v access.Delegation) key { return key{v.Tenant, string(v.ID)} }

func (d delegations) Insert(v access.Delegation) error {
	if err := d.tx.mayWrite(); err != nil {
		return err
	}
	if v.AbsentPerson == "" || v.DelegatePerson == "" || !v.From.Before(v.Until) {
		return d.tx.refuse("The store refuses a delegation of nobody, to nobody, or for no time.")
	}
	v.From, v.Until, v.CreatedAt, v.EndedAt = whole(v.From), whole(v.Until), whole(v.CreatedAt), whole(v.EndedAt)
	return insert(d.tx, &d.tx.books.delegations, "delegation", delegationKey(v), v)
}

func (d delegations) Get(tenant access.TenantID, id access.DelegationID) (access.Delegation, error) {
	return find(d.tx, d.tx.books.delegations.rows, "delegation", key{tenant, string(id)})
}

func (d delegations) End(v access.Delegation) error {
	stored, err := d.Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if err := d.tx.mayWrite(); err != nil {
		return err
	}
	if !stored.EndedAt.IsZero() {
		return access.Errorf(access.KindConflict, "The delegation %.128q was ended before.", v.ID)
	}
	stored.EndedAt, stored.EndedBy = whole(v.EndedAt), v.EndedBy
	d.tx.books.delegations.mine(d.tx)[delegationKey(v)] = stored
	return nil
}

func (d delegations) List(tenant access.TenantID, filter store.DelegationFilter, page store.Page) ([]access.Delegation, string, error) {
	if err := d.tx.mayRead(); err != nil {
		return nil, "", err
	}
	return list(d.tx.books.delegations.rows, "delegations", tenant, page, func(v access.Delegation) bool {
		return (filter.Absent == "" || v.AbsentPerson == filter.Absent) && (filter.Delegate == "" || v.DelegatePerson == filter.Delegate) &&
			(filter.Standing.IsZero() || v.EndedAt.IsZero() && v.Until.After(whole(filter.Standing)))
	})
}
