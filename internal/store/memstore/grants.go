package memstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// grants implements store.Grants.
type grants struct{ tx *tx }

func grantKey(g access.Grant) key { return key{g.Tenant, string(g.ID)} }

// rounded is a grant with its times as stores keep them.
func rounded(g access.Grant) access.Grant {
	g.Duration = g.Duration.Truncate(time.Microsecond)
	for _, t := range []*time.Time{
		&g.CreatedAt, &g.StartAt, &g.ActivatedAt, &g.Deadline, &g.EndedAt, &g.DueAt, &g.ActBy, &g.VerifiedAt, &g.ResidualUntil,
		&g.ExtendTo,
	} {
		*t = whole(*t)
	}
	return g
}

func (t grants) Insert(g access.Grant) error {
	if err := refer(t.tx, t.tx.books.requests.rows, "request", key{g.Tenant, string(g.Request)}); err != nil {
		return err
	}
	if unseen(g) {
		return t.tx.refuse("The end of the grant %q was neither read back nor attested.", g.ID)
	}
	return insert(t.tx, &t.tx.books.grants, "grant", grantKey(g), rounded(g))
}

func (t grants) Get(tenant access.TenantID, id access.GrantID) (access.Grant, error) {
	return find(t.tx, t.tx.books.grants.rows, "grant", key{tenant, string(id)})
}

func (t grants) Update(g access.Grant) error {
	stored, err := t.Get(g.Tenant, g.ID)
	if err != nil {
		return err
	}
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	g = rounded(g)
	g.Request, g.Principal, g.Person, g.ActsFor = stored.Request, stored.Principal, stored.Person, stored.ActsFor
	g.Entitlement, g.CreatedAt = stored.Entitlement, stored.CreatedAt
	switch {
	case stored.Version != g.Version:
		return movedOn("grant", string(g.ID))
	case stored.State != g.State && !stored.State.CanBecome(g.State):
		return access.Errorf(access.KindConflict, "The grant %q is %s and cannot become %.32q.", g.ID, stored.State, g.State)
	case stored.State == access.GrantEnded && life(stored) != life(g):
		return access.Errorf(access.KindConflict, "The grant %q has ended; what is known of its life is final.", g.ID)
	case unseen(g):
		return t.tx.refuse("The end of the grant %q was neither read back nor attested.", g.ID)
	}
	g.Version++
	t.tx.books.grants.mine(t.tx)[grantKey(g)] = g
	return nil
}

// unseen reports whether a grant that was activated has ended without anybody having read that it is gone.
func unseen(g access.Grant) bool {
	return g.State == access.GrantEnded && !g.ActivatedAt.IsZero() && g.VerifiedAt.IsZero() && g.EndReason != access.EndAttested
}

// life is the part of a grant that is final when it has ended: all but what the engine keeps its books with.
func life(g access.Grant) access.Grant {
	g.DueAt, g.Lease, g.Attempt, g.ActBy = time.Time{}, "", 0, time.Time{}
	g.Failures, g.LastError, g.Housekeeping, g.Version = 0, "", "", 0
	return g
}

func (t grants) List(tenant access.TenantID, filter store.GrantFilter, page store.Page) ([]access.Grant, string, error) {
	if err := t.tx.mayRead(); err != nil {
		return nil, "", err
	}
	reviewed := func(g access.Grant, by func(access.Review) bool) bool {
		return slices.ContainsFunc(t.tx.books.reviews.rows[key{g.Tenant, string(g.Request)}], by)
	}
	return list(t.tx.books.grants.rows, "grants", tenant, page, func(g access.Grant) bool {
		return (filter.Principal.IsZero() || g.Principal == filter.Principal) &&
			(filter.Person == "" || g.Person == filter.Person) &&
			(filter.Request == "" || g.Request == filter.Request) &&
			(filter.Connector == "" || g.Entitlement.Connector == filter.Connector) &&
			(!filter.Unended || g.State != access.GrantEnded) &&
			(filter.Reviewer == "" || reviewed(g, func(r access.Review) bool { return r.Person == filter.Reviewer })) &&
			(filter.InSteadOf.IsZero() || reviewed(g, func(r access.Review) bool { return r.InSteadOf == filter.InSteadOf })) &&
			(filter.AskedBy.IsZero() || t.tx.books.requests.rows[key{g.Tenant, string(g.Request)}].AskedBy == filter.AskedBy)
	})
}

func (t grants) OfRequests(tenant access.TenantID, requests ...access.RequestID) ([]access.Grant, error) {
	named := map[key]bool{}
	if err := t.tx.eachRequest(tenant, requests, func(k key) { named[k] = true }); err != nil {
		return nil, err
	}
	var items []access.Grant
	for _, g := range t.tx.books.grants.rows {
		if named[key{g.Tenant, string(g.Request)}] {
			items = append(items, g)
		}
	}
	slices.SortFunc(items, func(a, b access.Grant) int {
		return cmp.Or(cmp.Compare(a.Request, b.Request), cmp.Compare(a.ID, b.ID))
	})
	return items, nil
}

// due lists the grants of the lane that are due some time, the earliest first.
func (t grants) due(lane store.Lane) []access.Grant {
	var items []access.Grant
	for k, g := range t.tx.books.grants.rows {
		if k.tenant == lane.Tenant && g.Entitlement.Connector == lane.Connector && !g.DueAt.IsZero() && queued(lane.Queue, g) {
			items = append(items, g)
		}
	}
	slices.SortFunc(items, func(a, b access.Grant) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
	return items
}

// queued reports whether the grant is in the queue.
func queued(q store.Queue, g access.Grant) bool {
	return q == "" || (q == store.QueueNew) == (g.State == access.GrantScheduled)
}

func (t grants) Due(lane store.Lane, now time.Time, limit int) ([]access.Grant, error) {
	return t.Upcoming(lane, store.Due{}, now, limit)
}

func (t grants) NextDue(lane store.Lane) (time.Time, error) {
	if items := t.due(lane); len(items) > 0 {
		return items[0].DueAt, t.tx.mayRead()
	}
	return time.Time{}, t.tx.mayRead()
}

func (t grants) Count(lane store.Lane, now time.Time, limit int) (store.LaneCounts, error) {
	counts := store.LaneCounts{States: map[access.GrantState]int{}, Due: map[store.Queue]int{}}
	now = whole(now)
	for k, g := range t.tx.books.grants.rows {
		if k.tenant != lane.Tenant || g.Entitlement.Connector != lane.Connector {
			continue
		}
		if g.State != access.GrantEnded {
			counts.States[g.State] = min(limit, counts.States[g.State]+1)
		}
		if !g.DueAt.IsZero() && !g.DueAt.After(now) {
			q := store.QueueLive
			if queued(store.QueueNew, g) {
				q = store.QueueNew
			}
			counts.Due[q] = min(limit, counts.Due[q]+1)
		}
		if g.Overdue(now) {
			counts.Overdue = min(limit, counts.Overdue+1)
		}
		if g.State == access.GrantRevoking && g.ResidualUntil.After(now) {
			counts.Residual = min(limit, counts.Residual+1)
		}
	}
	return counts, t.tx.mayRead()
}

func (t grants) Upcoming(lane store.Lane, from store.Due, until time.Time, limit int) ([]access.Grant, error) {
	var items []access.Grant
	for _, g := range t.due(lane) {
		if g.DueAt.After(whole(until)) || len(items) == clampLimit(limit) {
			break
		}
		if cmp.Or(g.DueAt.Compare(whole(from.At)), cmp.Compare(g.ID, from.ID)) > 0 {
			items = append(items, g)
		}
	}
	return items, t.tx.mayRead()
}

func (t grants) Lanes() ([]store.Lane, error) {
	seen := map[store.Lane]bool{}
	var lanes []store.Lane
	for _, g := range t.tx.books.grants.rows {
		lane := store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector}
		if (g.State != access.GrantEnded || !g.DueAt.IsZero()) && !seen[lane] {
			seen[lane] = true
			lanes = append(lanes, lane)
		}
	}
	slices.SortFunc(lanes, func(a, b store.Lane) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Connector, b.Connector))
	})
	return lanes, t.tx.mayRead()
}
