package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// state is what one read says of a grant's role, with what proves that the reader can see.
type state struct {
	Reader string
	// System is the server's system identifier.
	System string
	// Standby: the server lags behind another, where sessions and changes may be that it does not show.
	Standby bool
	// SeesAccount: the role of Curfew's account, which must be there, is visible.
	SeesAccount bool
	// SeesSessions: the reader's own session, which must be there, is visible with its role.
	SeesSessions bool

	Exists bool
	// Ours: the role bears the grant's mark, or has both the name and the OID that were planned.
	Ours        bool
	CanLogIn    bool
	ValidUntil  *time.Time
	Memberships int
	Sessions    int
	Prepared    int
}

// readStates takes roles, OIDs (or nulls), marks and Curfew's account in each plan. Sessions and prepared transactions
// count by OID, also when the role is gone, unless the OID has been given to a role of somebody else's.
const readStates = `
WITH session AS MATERIALIZED (SELECT usesysid AS id, count(*) AS n FROM pg_stat_activity WHERE leader_pid IS NULL GROUP BY 1),
     prepared AS MATERIALIZED (SELECT ownerid AS id, count(*) AS n FROM pg_prepared_xact() GROUP BY 1)
SELECT current_user::text, (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
       (SELECT count(*) > 0 FROM pg_roles WHERE rolname = asked.account),
       EXISTS (SELECT FROM pg_stat_activity WHERE pid = pg_backend_pid() AND usesysid = quote_ident(session_user)::regrole),
       role.id IS NOT NULL, coalesce(role.ours, false), coalesce(role.rolcanlogin, false),
       CASE WHEN isfinite(role.rolvaliduntil) THEN role.rolvaliduntil END,
       (SELECT count(*) FROM pg_auth_members m
         WHERE m.member = holder.id OR (m.roleid = holder.id AND m.member IS DISTINCT FROM to_regrole(quote_ident(asked.account)))),
       coalesce((SELECT n FROM session WHERE id = holder.id), 0), coalesce((SELECT n FROM prepared WHERE id = holder.id), 0)
  FROM unnest($1::text[], $2::oid[], $3::text[], $4::text[]) WITH ORDINALITY AS asked(role, id, mark, account, n)
  LEFT JOIN LATERAL (
       SELECT * FROM (
            SELECT r.oid AS id, r.rolcanlogin, r.rolvaliduntil, r.rolname,
                   shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM asked.mark
                   OR coalesce(r.oid = asked.id, false) AND r.rolname = asked.role AS ours
              FROM pg_roles r
             WHERE r.oid IN (to_regrole(quote_ident(asked.role))::oid, asked.id)
       ) AS known
       WHERE ours OR rolname = asked.role ORDER BY ours DESC LIMIT 1
  ) AS role ON true
  CROSS JOIN LATERAL (
       SELECT coalesce(role.id, (SELECT asked.id WHERE NOT EXISTS (SELECT FROM pg_roles WHERE oid = asked.id))) AS id
  ) AS holder
 ORDER BY asked.n`

// readStates reads what there is of each plan, in one statement.
func (d *driver) readStates(ctx context.Context, pool *pgxpool.Pool, plans []plan) ([]state, error) {
	roles, marks, accounts := make([]string, len(plans)), make([]string, len(plans)), make([]string, len(plans))
	oids := make([]*uint32, len(plans))
	for i, v := range plans {
		o := v.order()
		roles[i], oids[i], marks[i], accounts[i] = o.Role, o.OID, string(o.Mark), v.Account
	}
	rows, err := pool.Query(ctx, readStates, roles, oids, marks, accounts)
	if err != nil {
		return nil, err
	}
	states, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s state, err error) {
		err = row.Scan(&s.Reader, &s.System, &s.Standby, &s.SeesAccount, &s.SeesSessions,
			&s.Exists, &s.Ours, &s.CanLogIn, &s.ValidUntil, &s.Memberships, &s.Sessions, &s.Prepared)
		return s, err
	})
	if err == nil && len(states) != len(plans) {
		err = errUnread
	}
	return states, err
}

func (d *driver) readState(ctx context.Context, pool *pgxpool.Pool, v plan) (state, error) {
	states, err := d.readStates(ctx, pool, []plan{v})
	if err != nil {
		return state{}, err
	}
	return states[0], nil
}

// Observe reads the role, its sessions and its prepared transactions in one statement, as the observer if there is one.
func (d *driver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	read := d.ObserveBatch(ctx, []connector.Task{{Order: o, Plan: p}})[0]
	return read.Presence, read.Err
}

// sees is the positive control.
func (s state) sees(v plan) bool {
	return s.SeesAccount && s.SeesSessions && !s.Standby && s.System == v.System
}

func (s state) atom(v plan) connector.AtomState {
	there := s.CanLogIn || s.Memberships+s.Sessions+s.Prepared > 0
	switch {
	case s.Exists && !s.Ours:
		return connector.Unknown // somebody else's role in the place of ours
	case there:
		return connector.Present
	case s.sees(v):
		return connector.Absent
	}
	return connector.Unknown
}

// presence is what the engine is told of the state.
func (s state) presence(v plan) connector.Presence {
	presence := connector.Presence{
		Atoms:    []connector.AtomPresence{{Atom: v.atom(), State: s.atom(v)}},
		Sessions: s.Sessions,
	}
	if s.ValidUntil != nil {
		presence.NativeExpiry = s.ValidUntil.UTC()
	}
	if s.sees(v) {
		presence.ReadBy = fmt.Sprintf("%s, who sees the role %s and its own session on the server %s", s.Reader, v.Account, s.System)
	}
	return presence
}

var errUnread = access.Errorf(access.KindUnavailable, "The server answered for fewer log-ins than it was asked about.")
