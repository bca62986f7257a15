package sqlstore

import (
	"database/sql"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// events implements store.Events.
type events struct{ tx *tx }

func (e events) Append(event store.EventRow) error {
	position, err := e.tx.numbering.next(e.tx, event.Tenant)
	if err != nil {
		return err
	}
	n, err := e.tx.exec(`
		INSERT INTO events (tenant, id, position, at, kind, request_id, grant_id, person, leaf, mac, mac_generation)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE CAST($11 AS BIGINT) = 0 OR EXISTS
			(SELECT 1 FROM tenant_keys WHERE tenant = $1 AND generation = $11)
		ON CONFLICT DO NOTHING`,
		event.Tenant, event.ID, position, micros(event.At), event.Kind, textOrNull(event.Request), textOrNull(event.Grant),
		event.Person, event.Leaf, bytesOrNull(event.MAC), event.MACGeneration)
	if err == nil && n == 0 {
		err = e.notAppended(event)
	}
	if err != nil {
		return err
	}
	e.tx.numbering.appended(event.Tenant)
	for i, p := range event.Personal {
		_, err := e.tx.exec(`
			INSERT INTO event_personal (tenant, event_id, ordinal, field, value, salt)
			VALUES ($1, $2, $3, $4, $5, $6)`, event.Tenant, event.ID, i, p.Field, p.Value, bytesOrNull(p.Salt))
		if err != nil {
			return err
		}
	}
	return nil
}

// notAppended says why an event was not: it is there already, or nobody could tell by its MAC who wrote it.
func (e events) notAppended(event store.EventRow) error {
	kept, err := keys(e).List(event.Tenant)
	if err != nil {
		return err
	}
	if event.MACGeneration > 0 && !slices.ContainsFunc(kept, func(k store.Key) bool { return k.Generation == event.MACGeneration }) {
		return access.Errorf(access.KindUnavailable, "Generation %d of the keys is gone; authenticate the event anew.", event.MACGeneration)
	}
	return alreadyThere("event", string(event.ID))
}

func (e events) Sequence(tenant access.TenantID, limit int) (int, error) {
	n, err := e.tx.exec(`
		UPDATE events SET position = numbered.position
		FROM (
			SELECT id, row_number() OVER (ORDER BY id) +
				(SELECT coalesce(max(position), 0) FROM events WHERE tenant = $1 AND position IS NOT NULL) AS position
			FROM (SELECT id FROM events WHERE tenant = $1 AND position IS NULL ORDER BY id LIMIT $2) AS waiting
		) AS numbered
		WHERE events.tenant = $1 AND events.id = numbered.id`, tenant, clampLimit(limit))
	return int(n), err
}

func (e events) List(tenant access.TenantID, filter store.EventFilter, after int64, limit int) (
	[]store.EventRow, error,
) {
	var w where
	w.and("tenant", "=", tenant)
	w.and("position", ">", after)
	if filter.Request != "" {
		w.and("request_id", "=", filter.Request)
	}
	if filter.Grant != "" {
		w.and("grant_id", "=", filter.Grant)
	}
	return e.list(&w, "position", limit)
}

func (e events) Newest(tenant access.TenantID) (store.EventRow, error) {
	line, err := queryOne(e.tx, scanEventLine, notFound("event of tenant", string(tenant)), newestEventOfTenant, tenant)
	return line.event, err
}

func (e events) Leaves(tenant access.TenantID, after int64, limit int) ([]store.EventRow, error) {
	return queryAll(e.tx, scanLeaf, leavesOfTenant, tenant, after, clampLimit(limit))
}

const leavesOfTenant = `
	SELECT tenant, position, id, leaf, mac FROM events
	WHERE tenant = $1 AND position IS NOT NULL AND position > $2 ORDER BY position LIMIT $3`

func scanLeaf(r row) (e store.EventRow, err error) {
	err = r.Scan(&e.Tenant, &e.Position, &e.ID, &e.Leaf, &e.MAC)
	return e, err
}

const newestEventOfTenant = `
	SELECT tenant, position, id, at, kind, coalesce(request_id, ''), coalesce(grant_id, ''), person, leaf, mac, mac_generation, NULL, '', NULL
	FROM events WHERE tenant = $1 AND position IS NOT NULL ORDER BY position DESC LIMIT 1`

func (e events) Unsequenced(tenant access.TenantID, limit int) ([]store.EventRow, error) {
	var w where
	w.and("tenant", "=", tenant)
	w.andText("position IS NULL")
	return e.list(&w, "id", limit)
}

// list reads events in the order of a column, each with its personal values.
func (e events) list(w *where, order string, limit int) ([]store.EventRow, error) {
	lines, err := queryAll(e.tx, scanEventLine, `
		SELECT e.tenant, coalesce(e.position, 0), e.id, e.at, e.kind, coalesce(e.request_id, ''),
			coalesce(e.grant_id, ''), e.person, e.leaf, e.mac, e.mac_generation, p.field, coalesce(p.value, ''), p.salt
		FROM (SELECT * FROM events`+w.String()+` ORDER BY `+order+w.limit(clampLimit(limit))+`) AS e
		LEFT JOIN event_personal AS p ON p.tenant = e.tenant AND p.event_id = e.id
		ORDER BY e.`+order+`, p.ordinal`, w.args...)
	if err != nil {
		return nil, err
	}
	return foldEvents(lines), nil
}

// eventLine is an event with one of its personal values, or with none.
type eventLine struct {
	event    store.EventRow
	field    sql.NullString
	personal store.PersonalValue
}

// foldEvents makes one event of the lines of each.
func foldEvents(lines []eventLine) []store.EventRow {
	var rows []store.EventRow
	for _, l := range lines {
		if n := len(rows); n == 0 || rows[n-1].ID != l.event.ID {
			rows = append(rows, l.event)
		}
		if l.field.Valid {
			l.personal.Field = l.field.String
			last := &rows[len(rows)-1]
			last.Personal = append(last.Personal, l.personal)
		}
	}
	return rows
}

func scanEventLine(r row) (l eventLine, err error) {
	e, p := &l.event, &l.personal
	err = r.Scan(&e.Tenant, &e.Position, &e.ID, timeColumn{&e.At}, &e.Kind, &e.Request, &e.Grant, &e.Person, &e.Leaf, &e.MAC,
		countColumn{&e.MACGeneration}, &l.field, &p.Value, &p.Salt)
	return l, err
}
