package sqlstore

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// grants implements store.Grants.
type grants struct{ tx *tx }

// The columns of a grant in three groups: what never changes, what is frozen when it ends, and what the engine keeps
// its books with even after that.
const grantColumns = `tenant, id, request_id, principal_issuer, principal_subject, person, connector, resource,
	permission, created_at,
	account, duration, state, end_reason, start_at, activated_at, deadline, ended_at, verified_at, verified_by,
	residual_until, sessions_ended, kept_by, extend_to, mark_generation,
	due_at, lease, attempt, act_by, failures, last_error, housekeeping,
	version, acts_for`

func identityValues(g access.Grant) []any {
	return []any{
		g.Tenant, g.ID, g.Request, g.Principal.Issuer, g.Principal.Subject, g.Person, g.Entitlement.Connector,
		g.Entitlement.Resource, g.Entitlement.Permission, micros(g.CreatedAt),
	}
}

func lifeValues(g access.Grant) []any {
	return []any{
		g.Account, g.Duration.Microseconds(), g.State, g.EndReason, micros(g.StartAt), micros(g.ActivatedAt),
		micros(g.Deadline), micros(g.EndedAt), micros(g.VerifiedAt), g.VerifiedBy, micros(g.ResidualUntil),
		g.SessionsEnded, g.KeptBy, micros(g.ExtendTo), g.MarkGeneration,
	}
}

func workValues(g access.Grant) []any {
	return []any{micros(g.DueAt), g.Lease, g.Attempt, micros(g.ActBy), g.Failures, g.LastError, g.Housekeeping}
}

func (t grants) Insert(g access.Grant) error {
	return t.tx.insert(alreadyThere("grant", string(g.ID)), `
		INSERT INTO grants (`+grantColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
			$21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)
		ON CONFLICT DO NOTHING`,
		slices.Concat(identityValues(g), lifeValues(g), workValues(g), []any{g.Version, g.ActsFor.String()})...)
}

func (t grants) Get(tenant access.TenantID, id access.GrantID) (access.Grant, error) {
	return queryOne(t.tx, scanGrant, notFound("grant", string(id)),
		`SELECT `+grantColumns+` FROM grants WHERE tenant = $1 AND id = $2`, tenant, id)
}

// Update writes first and reads only when that hit nothing, for the sake of a clear answer: it nearly always hits.
func (t grants) Update(g access.Grant) error {
	if n, err := t.write(g, before(g.State)); err != nil || n > 0 {
		return err
	}
	stored, err := t.Get(g.Tenant, g.ID)
	if err != nil {
		return err
	}
	if err := checkGrantUpdate(stored, g); err != nil {
		return err
	}
	n, err := t.write(g, `'ended'`) // what may change after the end
	if err == nil && n == 0 {
		return movedOn("grant", string(g.ID))
	}
	return err
}

// write writes the grant if its version is the stored one, and its stored state one of those.
func (t grants) write(g access.Grant, states string) (int64, error) {
	return t.tx.exec(`
		UPDATE grants SET account = $4, duration = $5, state = $6, end_reason = $7, start_at = $8, activated_at = $9,
			deadline = $10, ended_at = $11, verified_at = $12, verified_by = $13, residual_until = $14,
			sessions_ended = $15, kept_by = $16, extend_to = $17, mark_generation = $18, due_at = $19, lease = $20,
			attempt = $21, act_by = $22, failures = $23, last_error = $24, housekeeping = $25, version = version + 1
		WHERE tenant = $1 AND id = $2 AND version = $3 AND state IN (`+states+`)`,
		slices.Concat([]any{g.Tenant, g.ID, g.Version}, lifeValues(g), workValues(g))...)
}

// before lists, in SQL, the states from which a grant comes to this one, itself included unless it is the end.
func before(to access.GrantState) string {
	var states []string
	for _, from := range access.GrantStates() {
		if from.CanBecome(to) || (from == to && to != access.GrantEnded) {
			states = append(states, "'"+string(from)+"'")
		}
	}
	if states == nil {
		return `''` // no state leads there, and no grant is in this one
	}
	return strings.Join(states, ", ")
}

// checkGrantUpdate says why the write hit nothing, unless it may change what is stored.
func checkGrantUpdate(stored, g access.Grant) error {
	switch {
	case stored.Version != g.Version:
		return movedOn("grant", string(g.ID))
	case stored.State != g.State && !stored.State.CanBecome(g.State):
		return access.Errorf(access.KindConflict, "The grant %q is %s and cannot become %.32q.", g.ID, stored.State,
			g.State)
	case stored.State == access.GrantEnded && !slices.Equal(lifeValues(stored), lifeValues(g)):
		return access.Errorf(access.KindConflict, "The grant %q has ended; what is known of its life is final.", g.ID)
	}
	return nil
}

func (t grants) List(tenant access.TenantID, filter store.GrantFilter, page store.Page) (
	items []access.Grant, next string, err error,
) {
	var w where
	w.and("tenant", "=", tenant)
	if !filter.Principal.IsZero() {
		w.and("principal_issuer", "=", filter.Principal.Issuer)
		w.and("principal_subject", "=", filter.Principal.Subject)
	}
	if filter.Person != "" {
		w.and("person", "=", filter.Person)
	}
	if filter.Request != "" {
		w.and("request_id", "=", filter.Request)
	}
	if filter.Connector != "" {
		w.and("connector", "=", filter.Connector)
	}
	if filter.Reviewer != "" {
		w.args = append(w.args, filter.Reviewer)
		w.andText("request_id IN (SELECT request_id FROM reviews WHERE tenant = $1 AND person = " + w.param() + ")")
	}
	if !filter.InSteadOf.IsZero() {
		w.args = append(w.args, filter.InSteadOf.Issuer)
		issuer := w.param()
		w.args = append(w.args, filter.InSteadOf.Subject)
		w.andText("request_id IN (SELECT request_id FROM reviews WHERE tenant = $1 AND in_stead_subject <> '' AND in_stead_issuer = " +
			issuer + " AND in_stead_subject = " + w.param() + ")")
	}
	if !filter.AskedBy.IsZero() {
		w.args = append(w.args, filter.AskedBy.Issuer)
		issuer := w.param()
		w.args = append(w.args, filter.AskedBy.Subject)
		w.andText("request_id IN (SELECT id FROM requests WHERE tenant = $1 AND asked_by_subject <> '' AND asked_by_issuer = " +
			issuer + " AND asked_by_subject = " + w.param() + ")")
	}
	if filter.Unended {
		w.andText("state <> 'ended'")
	}
	limit, err := pageConditions(&w, grantList, page)
	if err != nil {
		return nil, "", err
	}
	text := `SELECT ` + grantColumns + ` FROM grants` + w.String() + ` ORDER BY id DESC` + w.limit(limit+1)
	items, err = queryAll(t.tx, scanGrant, text, w.args...)
	if err != nil {
		return nil, "", err
	}
	items, next = cutPage(items, limit, grantList, func(g access.Grant) string { return string(g.ID) })
	return items, next, nil
}

func (t grants) OfRequests(tenant access.TenantID, requests ...access.RequestID) ([]access.Grant, error) {
	list, err := ofRequests(t.tx, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE `, tenant, requests)
	slices.SortFunc(list, func(a, b access.Grant) int {
		return cmp.Or(cmp.Compare(a.Request, b.Request), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

func (t grants) Due(lane store.Lane, now time.Time, limit int) ([]access.Grant, error) {
	return queryAll(t.tx, scanGrant, `
		SELECT `+grantColumns+` FROM grants
		WHERE tenant = $1 AND connector = $2 AND due_at IS NOT NULL AND due_at <= $3`+queued(lane.Queue)+`
		ORDER BY due_at, id`+limitTo("$4")+t.lock(),
		lane.Tenant, lane.Connector, access.Micros(now), clampLimit(limit))
}

func (t grants) NextDue(lane store.Lane) (time.Time, error) {
	return queryOne(t.tx, scanTime, nil, `
		SELECT min(due_at) FROM grants WHERE tenant = $1 AND connector = $2 AND due_at IS NOT NULL`+queued(lane.Queue),
		lane.Tenant, lane.Connector)
}

func (t grants) Upcoming(lane store.Lane, from store.Due, until time.Time, limit int) ([]access.Grant, error) {
	return queryAll(t.tx, scanGrant, `
		SELECT `+grantColumns+` FROM grants
		WHERE tenant = $1 AND connector = $2 AND due_at IS NOT NULL AND due_at <= $3 AND (due_at, id) > ($4, $5)`+
		queued(lane.Queue)+` ORDER BY due_at, id`+limitTo("$6")+t.lock(),
		lane.Tenant, lane.Connector, access.Micros(until), access.Micros(from.At), from.ID, clampLimit(limit))
}

// lock has a transaction that may write take what it reads for itself, and leave out what another has taken.
func (t grants) lock() string {
	if !t.tx.writable {
		return ""
	}
	return t.tx.dialect.lockDue
}

// queued is the condition of a queue, in the very words of its partial index.
func queued(q store.Queue) string {
	switch q {
	case store.QueueNew:
		return ` AND state = 'scheduled'`
	case store.QueueLive:
		return ` AND state <> 'scheduled'`
	default:
		return ``
	}
}

// Lanes jumps through an index from lane to lane: there are few, and there may be a million grants in them.
func (t grants) Lanes() ([]store.Lane, error) {
	unended, err := queryAll(t.tx, scanLane, lanesWith(`state <> 'ended'`))
	if err != nil {
		return nil, err
	}
	// What is due and has ended; what is new is among the unended.
	due, err := queryAll(t.tx, scanLane, lanesWith(`due_at IS NOT NULL`+queued(store.QueueLive)))
	if err != nil {
		return nil, err
	}
	lanes := append(unended, due...)
	slices.SortFunc(lanes, func(a, b store.Lane) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Connector, b.Connector))
	})
	return slices.Compact(lanes), nil
}

// lanesWith selects the lanes with a grant of that condition, which is one that a partial index has. Each min is a
// search in it: for the tenants, and for the connectors of each.
func lanesWith(condition string) string {
	return `
		WITH RECURSIVE tenants (tenant) AS (
			SELECT min(tenant) FROM grants WHERE ` + condition + `
			UNION ALL
			SELECT (SELECT min(g.tenant) FROM grants AS g WHERE ` + condition + ` AND g.tenant > tenants.tenant)
			FROM tenants WHERE tenants.tenant IS NOT NULL
		), lanes (tenant, connector) AS (
			SELECT tenant, (SELECT min(g.connector) FROM grants AS g WHERE ` + condition + ` AND g.tenant = tenants.tenant)
			FROM tenants WHERE tenant IS NOT NULL
			UNION ALL
			SELECT tenant, (SELECT min(g.connector) FROM grants AS g
				WHERE ` + condition + ` AND g.tenant = lanes.tenant AND g.connector > lanes.connector)
			FROM lanes WHERE connector IS NOT NULL
		)
		SELECT tenant, connector FROM lanes WHERE connector IS NOT NULL`
}

// scanGrant names the types that database/sql knows: to others it goes by reflection, for each of 34 columns.
func scanGrant(r row) (g access.Grant, err error) {
	err = r.Scan((*string)(&g.Tenant), (*string)(&g.ID), (*string)(&g.Request), &g.Principal.Issuer, &g.Principal.Subject,
		(*string)(&g.Person), (*string)(&g.Entitlement.Connector), &g.Entitlement.Resource, &g.Entitlement.Permission,
		timeColumn{&g.CreatedAt}, &g.Account, durationColumn{&g.Duration}, (*string)(&g.State), (*string)(&g.EndReason), timeColumn{&g.StartAt},
		timeColumn{&g.ActivatedAt}, timeColumn{&g.Deadline}, timeColumn{&g.EndedAt}, timeColumn{&g.VerifiedAt},
		&g.VerifiedBy, timeColumn{&g.ResidualUntil}, countColumn{&g.SessionsEnded}, &g.KeptBy, timeColumn{&g.ExtendTo}, countColumn{&g.MarkGeneration},
		timeColumn{&g.DueAt}, &g.Lease, countColumn{&g.Attempt}, timeColumn{&g.ActBy}, countColumn{&g.Failures}, &g.LastError,
		&g.Housekeeping, &g.Version, principalColumn{&g.ActsFor})
	return g, err
}

func scanLane(r row) (l store.Lane, err error) {
	err = r.Scan(&l.Tenant, &l.Connector)
	return l, err
}
