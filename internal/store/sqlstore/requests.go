package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// requests implements store.Requests.
type requests struct{ tx *tx }

const requestColumns = `tenant, id, principal_issuer, principal_subject, person, bundle, entitlements, duration,
	start_at, reason, ticket, params, break_glass, recipient, hash, state, created_at, lapses_at, settled_at, version, acts_for,
	asked_by_issuer, asked_by_subject, asked_by_person`

func (r requests) Insert(request access.Request) error {
	entitlements, err := entitlementsText(request.Entitlements)
	if err != nil {
		return err
	}
	params, err := paramsText(request.Params)
	if err != nil {
		return err
	}
	return r.tx.insert(alreadyThere("request", string(request.ID)), `
		INSERT INTO requests (`+requestColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT DO NOTHING`,
		request.Tenant, request.ID, request.Principal.Issuer, request.Principal.Subject, request.Person,
		request.Bundle, entitlements, request.Duration.Microseconds(), micros(request.Start), request.Reason,
		request.Ticket, params, request.BreakGlass, bytesOrNull(request.Recipient), bytesOrNull(request.Hash),
		request.State, micros(request.CreatedAt), micros(request.LapsesAt), micros(request.SettledAt),
		request.Version, request.ActsFor.String(), request.AskedBy.Issuer, request.AskedBy.Subject, request.AskedByPerson)
}

func (r requests) Get(tenant access.TenantID, id access.RequestID) (access.Request, error) {
	return queryOne(r.tx, scanRequest, notFound("request", string(id)),
		`SELECT `+requestColumns+` FROM requests WHERE tenant = $1 AND id = $2`, tenant, id)
}

// Update writes first and reads only when that hit nothing, for the sake of a clear answer. Only what is pending changes.
func (r requests) Update(request access.Request) error {
	if access.RequestPending.CanBecome(request.State) {
		n, err := r.tx.exec(`
			UPDATE requests SET state = $4, settled_at = $5, version = version + 1
			WHERE tenant = $1 AND id = $2 AND version = $3 AND state = 'pending'`,
			request.Tenant, request.ID, request.Version, request.State, micros(request.SettledAt))
		if err != nil || n > 0 {
			return err
		}
	}
	stored, err := r.Get(request.Tenant, request.ID)
	if err != nil {
		return err
	}
	if stored.Version != request.Version {
		return movedOn("request", string(request.ID))
	}
	return access.Errorf(access.KindConflict, "The request %q is %s and cannot become %.32q.", request.ID,
		stored.State, request.State)
}

func (r requests) List(tenant access.TenantID, filter store.RequestFilter, page store.Page) (
	items []access.Request, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if !filter.Principal.IsZero() {
		w.and("principal_issuer", "=", filter.Principal.Issuer)
		w.and("principal_subject", "=", filter.Principal.Subject)
	}
	if !filter.AskedBy.IsZero() {
		w.and("asked_by_issuer", "=", filter.AskedBy.Issuer)
		w.and("asked_by_subject", "=", filter.AskedBy.Subject)
		w.andText("asked_by_subject <> ''") // for the planner, which does not know what the parameter is
	}
	if filter.Person != "" {
		w.and("person", "=", filter.Person)
	}
	if filter.State != "" {
		w.and("state", "=", filter.State)
	}
	limit, err := pageConditions(&w, requestList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + requestColumns + ` FROM requests` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAbout(r.tx, limit+1, scanRequest, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, requestList, func(r access.Request) string { return string(r.ID) })
	return items, next, nil
}

func (r requests) Lapsing(tenant access.TenantID, now time.Time, limit int) ([]access.Request, error) {
	return queryAll(r.tx, scanRequest, `
		SELECT `+requestColumns+` FROM requests
		WHERE tenant = $1 AND state = 'pending' AND lapses_at IS NOT NULL AND lapses_at <= $2
		ORDER BY lapses_at, id`+limitTo("$3"), tenant, access.Micros(now), clampLimit(limit))
}

func (r requests) NextLapse(tenant access.TenantID) (time.Time, error) {
	return queryOne(r.tx, scanTime, nil, `
		SELECT min(lapses_at) FROM requests WHERE tenant = $1 AND state = 'pending' AND lapses_at IS NOT NULL`, tenant)
}

func (r requests) Open(tenant access.TenantID, principal access.PrincipalID, limit int) (int, error) {
	return queryOne(r.tx, scanInt, nil, `
		SELECT (SELECT count(*) FROM (SELECT 1 FROM requests WHERE tenant = $1 AND principal_issuer = $2
			AND principal_subject = $3 AND state = 'pending' LIMIT $4 + 0) AS pending)
		+ (SELECT count(*) FROM (SELECT 1 FROM grants WHERE tenant = $1 AND principal_issuer = $2
			AND principal_subject = $3 AND state <> 'ended' LIMIT $4 + 0) AS unended)`,
		tenant, principal.Issuer, principal.Subject, limit)
}

func scanInt(r row) (n int, err error) {
	err = r.Scan(&n)
	return n, err
}

func scanRequest(r row) (q access.Request, err error) {
	err = r.Scan((*string)(&q.Tenant), (*string)(&q.ID), &q.Principal.Issuer, &q.Principal.Subject, (*string)(&q.Person), &q.Bundle,
		jsonColumn{&q.Entitlements}, durationColumn{&q.Duration}, timeColumn{&q.Start}, &q.Reason, &q.Ticket,
		jsonColumn{&q.Params}, &q.BreakGlass, &q.Recipient, &q.Hash, (*string)(&q.State), timeColumn{&q.CreatedAt},
		timeColumn{&q.LapsesAt}, timeColumn{&q.SettledAt}, &q.Version, principalColumn{&q.ActsFor},
		&q.AskedBy.Issuer, &q.AskedBy.Subject, (*string)(&q.AskedByPerson))
	return q, err
}
