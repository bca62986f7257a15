package memstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// findings implements store.Findings.
type findings struct{ tx *tx }

func (t findings) Insert(f access.Finding) error {
	for k, other := range t.tx.books.findings.rows {
		if k.tenant == f.Tenant && other.State != access.FindingRemoved && f.State != access.FindingRemoved && sameThing(other, f) {
			return access.Errorf(access.KindConflict, "There is a finding %.128q of the same thing already.", other.ID)
		}
	}
	f.FoundAt, f.ClosedAt = whole(f.FoundAt), whole(f.ClosedAt)
	return insert(t.tx, &t.tx.books.findings, "finding", key{f.Tenant, string(f.ID)}, f)
}

func sameThing(a, b access.Finding) bool {
	return a.Connector == b.Connector && a.Kind == b.Kind && a.Grant == b.Grant && a.Mark == b.Mark && a.Atom == b.Atom
}

func (t findings) Get(tenant access.TenantID, id access.FindingID) (access.Finding, error) {
	return find(t.tx, t.tx.books.findings.rows, "finding", key{tenant, string(id)})
}

func (t findings) Update(f access.Finding) error {
	stored, err := t.Get(f.Tenant, f.ID)
	if err != nil {
		return err
	}
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	switch {
	case stored.Version != f.Version:
		return movedOn("finding", string(f.ID))
	case !stored.State.CanBecome(f.State):
		return access.Errorf(access.KindConflict, "The finding %q is %s and cannot become %.32q.", f.ID, stored.State, f.State)
	}
	stored.State, stored.ClosedAt, stored.ClosedBy, stored.Reason = f.State, whole(f.ClosedAt), f.ClosedBy, f.Reason
	stored.Version++
	t.tx.books.findings.mine(t.tx)[key{f.Tenant, string(f.ID)}] = stored
	return nil
}

func (t findings) List(tenant access.TenantID, filter store.FindingFilter, page store.Page) ([]access.Finding, string, error) {
	if err := t.tx.mayRead(); err != nil {
		return nil, "", err
	}
	return list(t.tx.books.findings.rows, "findings", tenant, page, func(f access.Finding) bool {
		return (filter.Connector == "" || f.Connector == filter.Connector) && (filter.State == "" || f.State == filter.State)
	})
}
