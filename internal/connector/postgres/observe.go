package postgres

import (
	"context"
	"fmt"
	"time"

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

// readState takes role, OID (or null), mark and Curfew's account. Sessions and prepared transactions count by OID, also
// when the role is gone, unless the OID has been given to a role of somebody else's.
const readState = `
WITH known AS (
     SELECT r.oid AS id, r.rolcanlogin, r.rolvaliduntil, r.rolname,
            shobj_description(r.oid, 'pg_authid') IS NOT DISTINCT FROM $3 OR coalesce(r.oid = $2, false) AND r.rolname = $1 AS ours
       FROM pg_roles r
      WHERE r.oid IN (to_regrole(quote_ident($1))::oid, $2)
), role AS (
     SELECT * FROM known WHERE ours OR rolname = $1 ORDER BY ours DESC LIMIT 1
), holder AS (
     SELECT coalesce((SELECT id FROM role),
                     (SELECT $2::oid WHERE NOT EXISTS (SELECT FROM pg_roles WHERE oid = $2))) AS id
)
SELECT current_user::text, (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_roles WHERE rolname = $4),
       EXISTS (SELECT FROM pg_stat_activity WHERE pid = pg_backend_pid() AND usesysid = session_user::regrole),
       role.id IS NOT NULL, coalesce(role.ours, false), coalesce(role.rolcanlogin, false),
       CASE WHEN isfinite(role.rolvaliduntil) THEN role.rolvaliduntil END,
       (SELECT count(*) FROM pg_auth_members m
         WHERE m.member = holder.id OR (m.roleid = holder.id AND m.member IS DISTINCT FROM to_regrole(quote_ident($4)))),
       (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = holder.id AND a.leader_pid IS NULL),
       (SELECT count(*) FROM pg_prepared_xact() p WHERE p.ownerid = holder.id)
  FROM holder LEFT JOIN role ON true`

func (d *driver) readState(ctx context.Context, pool *pgxpool.Pool, v plan) (state, error) {
	var s state
	arg := v.order()
	err := pool.QueryRow(ctx, readState, arg.Role, arg.OID, string(arg.Mark), v.Account).Scan(
		&s.Reader, &s.System, &s.Standby, &s.SeesAccount, &s.SeesSessions,
		&s.Exists, &s.Ours, &s.CanLogIn, &s.ValidUntil, &s.Memberships, &s.Sessions, &s.Prepared)
	return s, err
}

// Observe reads the role, its sessions and its prepared transactions in one statement, as the observer if there is one.
func (d *driver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Presence{}, err
	}
	s, err := d.readState(ctx, d.observer, v)
	switch {
	case sqlState(err) == statePermissionDenied:
		s = state{} // blind
	case err != nil:
		return connector.Presence{}, d.fail(ctx, err, "read the log-in back")
	}
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
	return presence, nil
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
