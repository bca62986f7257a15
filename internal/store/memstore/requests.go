package memstore

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// requests implements store.Requests.
type requests struct{ tx *tx }

func requestKey(r access.Request) key { return key{r.Tenant, string(r.ID)} }

// kept is a request as a store gives it back, sharing nothing with the caller's.
func kept(r access.Request) access.Request {
	r.Duration, r.Start = r.Duration.Truncate(time.Microsecond), whole(r.Start)
	r.CreatedAt, r.LapsesAt, r.SettledAt = whole(r.CreatedAt), whole(r.LapsesAt), whole(r.SettledAt)
	r.Entitlements, r.Params = slices.Clone(r.Entitlements), maps.Clone(r.Params)
	r.Recipient, r.Hash = bytes.Clone(r.Recipient), bytes.Clone(r.Hash)
	return r
}

func (r requests) Insert(request access.Request) error {
	return insert(r.tx, &r.tx.books.requests, "request", requestKey(request), kept(request))
}

func (r requests) Get(tenant access.TenantID, id access.RequestID) (access.Request, error) {
	stored, err := find(r.tx, r.tx.books.requests.rows, "request", key{tenant, string(id)})
	return kept(stored), err
}

func (r requests) Update(request access.Request) error {
	stored, err := r.Get(request.Tenant, request.ID)
	if err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	switch {
	case stored.Version != request.Version:
		return movedOn("request", string(request.ID))
	case !stored.State.CanBecome(request.State):
		return access.Errorf(access.KindConflict, "The request %q is %s and cannot become %.32q.", request.ID, stored.State,
			request.State)
	}
	stored.State, stored.SettledAt, stored.Version = request.State, whole(request.SettledAt), stored.Version+1
	r.tx.books.requests.mine(r.tx)[requestKey(request)] = stored
	return nil
}

func (r requests) List(tenant access.TenantID, filter store.RequestFilter, page store.Page) (
	[]access.Request, string, error,
) {
	if err := r.tx.mayRead(); err != nil {
		return nil, "", err
	}
	items, next, err := list(r.tx.books.requests.rows, "requests", tenant, page, func(q access.Request) bool {
		return (filter.Principal.IsZero() || q.Principal == filter.Principal) && (filter.Person == "" || q.Person == filter.Person) &&
			(filter.AskedBy.IsZero() || q.AskedBy == filter.AskedBy) && (filter.State == "" || q.State == filter.State)
	})
	for i := range items {
		items[i] = kept(items[i])
	}
	return items, next, err
}

func (r requests) Open(tenant access.TenantID, principal access.PrincipalID, limit int) (int, error) {
	pending, unended := 0, 0
	for k, q := range r.tx.books.requests.rows {
		if k.tenant == tenant && q.Principal == principal && q.State == access.RequestPending {
			pending++
		}
	}
	for k, g := range r.tx.books.grants.rows {
		if k.tenant == tenant && g.Principal == principal && g.State != access.GrantEnded {
			unended++
		}
	}
	return min(pending, limit) + min(unended, limit), r.tx.mayRead()
}

// pending lists the pending requests of the tenant that lapse some time, the next to lapse first.
func (r requests) pending(tenant access.TenantID) []access.Request {
	var items []access.Request
	for k, q := range r.tx.books.requests.rows {
		if k.tenant == tenant && q.State == access.RequestPending && !q.LapsesAt.IsZero() {
			items = append(items, kept(q))
		}
	}
	slices.SortFunc(items, func(a, b access.Request) int {
		return cmp.Or(a.LapsesAt.Compare(b.LapsesAt), cmp.Compare(a.ID, b.ID))
	})
	return items
}

func (r requests) Lapsing(tenant access.TenantID, now time.Time, limit int) ([]access.Request, error) {
	items := r.pending(tenant)
	n := len(items)
	if i := slices.IndexFunc(items, func(q access.Request) bool { return q.LapsesAt.After(whole(now)) }); i >= 0 {
		n = i
	}
	return items[:min(n, clampLimit(limit))], r.tx.mayRead()
}

func (r requests) NextLapse(tenant access.TenantID) (time.Time, error) {
	if items := r.pending(tenant); len(items) > 0 {
		return items[0].LapsesAt, r.tx.mayRead()
	}
	return time.Time{}, r.tx.mayRead()
}
