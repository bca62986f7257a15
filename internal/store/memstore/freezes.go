package memstore

import (
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// freeze is a freeze and whether it is not in force any more.
type freeze struct {
	access.Freeze
	lifted bool
}

// freezes implements store.Freezes.
type freezes struct{ tx *tx }

func freezeKey(f access.Freeze) key { return key{f.Tenant, string(f.ID)} }

func (f freezes) Insert(v access.Freeze) error {
	if err := f.tx.mayWrite(); err != nil {
		return err
	}
	switch v.Scope {
	case access.FreezePerson, access.FreezeConnector, access.FreezeEverything:
	default:
		return f.tx.refuse("The store refuses a freeze of a %.32q.", v.Scope)
	}
	if (v.Scope == access.FreezeEverything) != (v.Value == "") {
		return f.tx.refuse("The store refuses a freeze of a %s called %.128q.", v.Scope, v.Value)
	}
	for _, other := range f.inForce(v.Tenant) {
		if other.Scope == v.Scope && other.Value == v.Value {
			return access.Errorf(access.KindConflict, "This %s is frozen already.", v.Scope)
		}
	}
	v.Since, v.SweptAt = whole(v.Since), whole(v.SweptAt)
	return insert(f.tx, &f.tx.books.freezes, "freeze", freezeKey(v), freeze{Freeze: v})
}

func (f freezes) Get(tenant access.TenantID, id access.FreezeID) (access.Freeze, error) {
	stored, err := find(f.tx, f.tx.books.freezes.rows, "freeze", key{tenant, string(id)})
	if err == nil && stored.lifted {
		return access.Freeze{}, access.Errorf(access.KindNotFound, "There is no freeze %.128q.", id)
	}
	return stored.Freeze, err
}

func (f freezes) Update(v access.Freeze) error {
	stored, err := f.Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	stored.SweepCursor, stored.SweptAt, stored.Revoked = v.SweepCursor, whole(v.SweptAt), v.Revoked
	return f.put(freeze{Freeze: stored})
}

func (f freezes) Delete(tenant access.TenantID, id access.FreezeID) error {
	stored, err := f.Get(tenant, id)
	if err != nil {
		return err
	}
	return f.put(freeze{Freeze: stored, lifted: true})
}

// put writes a row that is there.
func (f freezes) put(v freeze) error {
	if err := f.tx.mayWrite(); err != nil {
		return err
	}
	f.tx.books.freezes.mine(f.tx)[freezeKey(v.Freeze)] = v
	return nil
}

// inForce lists the freezes of the tenant that were not lifted, oldest first.
func (f freezes) inForce(tenant access.TenantID) []access.Freeze {
	var items []access.Freeze
	for k, v := range f.tx.books.freezes.rows {
		if k.tenant == tenant && !v.lifted {
			items = append(items, v.Freeze)
		}
	}
	slices.SortFunc(items, func(a, b access.Freeze) int { return cmp.Compare(a.ID, b.ID) })
	return items
}

func (f freezes) Covering(tenant access.TenantID, person access.PersonID, connector access.ConnectorName) ([]access.Freeze, error) {
	items := slices.DeleteFunc(f.inForce(tenant), func(v access.Freeze) bool {
		switch v.Scope {
		case access.FreezePerson:
			return v.Value != string(person)
		case access.FreezeConnector:
			return v.Value != string(connector)
		default:
			return false
		}
	})
	return items, f.tx.mayRead()
}

func (f freezes) Unswept(tenant access.TenantID, limit int) ([]access.Freeze, error) {
	items := slices.DeleteFunc(f.inForce(tenant), func(v access.Freeze) bool { return !v.SweptAt.IsZero() })
	return items[:min(len(items), clampLimit(limit))], f.tx.mayRead()
}

func (f freezes) List(tenant access.TenantID, page store.Page) (items []access.Freeze, next string, err error) {
	if err := f.tx.mayRead(); err != nil {
		return nil, "", err
	}
	rows, next, err := list(f.tx.books.freezes.rows, "freezes", tenant, page, func(v freeze) bool { return !v.lifted })
	for _, v := range rows {
		items = append(items, v.Freeze)
	}
	return items, next, err
}

// attestations implements store.Attestations.
type attestations struct{ tx *tx }

func (a attestations) Insert(v access.Attestation) error {
	k := key{v.Tenant, string(v.Grant)}
	if err := refer(a.tx, a.tx.books.grants.rows, "grant", k); err != nil {
		return err
	}
	if err := a.tx.mayWrite(); err != nil {
		return err
	}
	if v.Person == "" {
		return a.tx.refuse("The store refuses an attestation by nobody.")
	}
	given := a.tx.books.attestations.rows[k]
	if slices.ContainsFunc(given, func(other access.Attestation) bool { return other.Person == v.Person }) {
		return access.Errorf(access.KindConflict, "This person has attested to grant %.128q already.", v.Grant)
	}
	v.At = whole(v.At)
	given = append(slices.Clip(given), v)
	slices.SortFunc(given, func(x, y access.Attestation) int { return cmp.Compare(x.Person, y.Person) })
	a.tx.books.attestations.mine(a.tx)[k] = given
	return nil
}

func (a attestations) List(tenant access.TenantID, grant access.GrantID) ([]access.Attestation, error) {
	return slices.Clone(a.tx.books.attestations.rows[key{tenant, string(grant)}]), a.tx.mayRead()
}
