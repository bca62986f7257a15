package memstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// erasures implements store.Erasures.
type erasures struct{ tx *tx }

// sharesNothing is an erasure that shares nothing with the caller's.
func sharesNothing(e access.Erasure) access.Erasure {
	e.BegunAt, e.DoneAt = whole(e.BegunAt), whole(e.DoneAt)
	e.Principals, e.Accounts, e.Counts = slices.Clone(e.Principals), slices.Clone(e.Accounts), maps.Clone(e.Counts)
	return e
}

func (t erasures) Insert(e access.Erasure) error {
	unfinished, err := t.Unfinished(e.Tenant, 1000)
	switch {
	case err != nil:
		return err
	case e.Person == "" || e.Pseudonym == "":
		return t.tx.refuse("The store refuses an erasure of nobody.")
	case slices.ContainsFunc(unfinished, func(o access.Erasure) bool { return o.Person == e.Person }):
		return access.Errorf(access.KindConflict, "This person is being forgotten already.")
	}
	return insert(t.tx, &t.tx.books.erasures, "erasure", key{e.Tenant, string(e.ID)}, sharesNothing(e))
}

func (t erasures) Get(tenant access.TenantID, id access.ErasureID) (access.Erasure, error) {
	e, err := find(t.tx, t.tx.books.erasures.rows, "erasure", key{tenant, string(id)})
	return sharesNothing(e), err
}

func (t erasures) Update(e access.Erasure) error {
	stored, err := t.Get(e.Tenant, e.ID)
	if err != nil {
		return err
	}
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	if stored.Version != e.Version || !stored.DoneAt.IsZero() {
		return movedOn("erasure", string(e.ID))
	}
	e = sharesNothing(e)
	stored.Principals, stored.Accounts, stored.Counts = e.Principals, e.Accounts, e.Counts
	stored.Stage, stored.Cursor, stored.DoneAt = e.Stage, e.Cursor, e.DoneAt
	if !e.DoneAt.IsZero() {
		stored.Person, stored.Principals, stored.Accounts, stored.By, stored.Reason = "", nil, nil, access.PrincipalID{}, ""
	}
	stored.Version++
	t.tx.books.erasures.mine(t.tx)[key{e.Tenant, string(e.ID)}] = stored
	return nil
}

func (t erasures) Unfinished(tenant access.TenantID, limit int) ([]access.Erasure, error) {
	var items []access.Erasure
	for k, e := range t.tx.books.erasures.rows {
		if k.tenant == tenant && e.DoneAt.IsZero() {
			items = append(items, sharesNothing(e))
		}
	}
	slices.SortFunc(items, func(a, b access.Erasure) int { return cmp.Compare(a.ID, b.ID) })
	return items[:min(len(items), clampLimit(limit))], t.tx.mayRead()
}
