package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const maxMark = 1024

// target is what Prepare and Check read of the server.
type target struct {
	System  string
	Account string
	// Database tells whether the database exists and admits sessions.
	Database bool
	Groups   []group
}

// group is a group role as the server has it.
type group struct {
	Name   string
	Exists bool
	// Grantable: Curfew's account may make members.
	Grantable bool
	// Connects: its members may connect to the database.
	Connects bool
	// Danger says with what a member could have access that outlives the grant; empty when with nothing.
	Danger string
}

// readTarget reads the server, a database (empty: none) and group roles. A role is dangerous when it, or a role that it is a
// member of, could make other roles or members, leave the database for the machine, or keep Curfew from taking access back:
// who ends our sessions as fast as we open them, or locks pg_authid, outlives every deadline. Where EXISTS would stand among
// what is selected, from 18 on the server hashes the whole catalog for it.
const readTarget = `
SELECT (SELECT system_identifier::text FROM pg_control_system()), current_user::text,
       EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datallowconn),
       g.name, r.oid IS NOT NULL,
       CASE WHEN r.oid IS NULL THEN false
            WHEN current_setting('server_version_num')::int < 160000 THEN true
            WHEN (SELECT bool_or(m.admin_option) FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = me.oid) THEN true
            ELSE pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION') END, -- which looks at every role that we have made
       coalesce(has_database_privilege(r.oid, d.oid, 'CONNECT'), false),
       coalesce(danger.what, '')
  FROM unnest($2::text[]) WITH ORDINALITY g (name, place)
  JOIN pg_roles me ON me.rolname = current_user
  LEFT JOIN pg_database d ON d.datname = $1
  LEFT JOIN pg_roles r ON r.rolname = g.name
  LEFT JOIN LATERAL (
       WITH RECURSIVE reach (id) AS (
            SELECT r.oid UNION SELECT m.roleid FROM reach JOIN pg_auth_members m ON m.member = reach.id)
       SELECT string_agg(CASE WHEN x.rolsuper THEN format('%I is a superuser', x.rolname)
                              WHEN x.rolcreaterole THEN format('%I has CREATEROLE', x.rolname)
                              WHEN a.roleid IS NOT NULL THEN format('%I has ADMIN OPTION on %s', x.rolname, a.roleid::regrole)
                              WHEN x.rolname = 'pg_signal_backend' THEN format('%I ends the sessions of Curfew', x.rolname)
                              WHEN x.rolname = 'pg_maintain' THEN format('%I locks the catalogs', x.rolname)
                              ELSE format('%I reaches the machine', x.rolname) END, ', ') AS what
         FROM reach JOIN pg_roles x ON x.oid = reach.id
         LEFT JOIN pg_auth_members a ON a.member = x.oid AND a.admin_option
        WHERE x.rolsuper OR x.rolcreaterole OR a.roleid IS NOT NULL
           OR x.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_signal_backend', 'pg_maintain')
       ) danger ON true
 ORDER BY g.place`

// Prepare reads whether the order can work and plans its role.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	permission, err := d.checkOrder(o)
	if err != nil {
		return access.Plan{}, err
	}
	t, err := d.readTarget(ctx, d.makerOf(o.Grant), o.Entitlement.Resource, permission.Roles)
	if err != nil {
		return access.Plan{}, d.fail(ctx, err, "prepare")
	}
	if !t.Database {
		return access.Plan{}, access.Errorf(access.KindNotFound, "The connector %s has no database %q.", d.name, o.Entitlement.Resource)
	}
	if err := d.checkGroups(t.Groups); err != nil {
		return access.Plan{}, err
	}
	if !slices.ContainsFunc(t.Groups, func(g group) bool { return g.Connects }) {
		return access.Plan{}, access.Errorf(access.KindMisconfigured,
			"None of the roles of the permission %s may connect to the database %q of the connector %s. An operator must GRANT CONNECT ON DATABASE to one of them.",
			o.Entitlement.Permission, o.Entitlement.Resource, d.name)
	}
	return plan{
		Role: connector.AccountName(o.Principal.Subject, o.Grant, maxIdentifier), Mark: o.Mark, Groups: permission.Roles,
		Database: o.Entitlement.Resource, Account: t.Account, System: t.System,
	}.encode()
}

// checkOrder refuses what can never work without asking the server.
func (d *driver) checkOrder(o connector.Order) (Permission, error) {
	e := o.Entitlement
	permission, ok := d.config.Permissions[e.Permission]
	if !ok {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no permission %q; it has %s.",
			d.name, e.Permission, strings.Join(d.permissionNames(), ", "))
	}
	if err := access.ValidateResourceName(e.Resource); err != nil {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no such database: %v.", d.name, err)
	}
	if len(d.config.Databases) > 0 && !slices.Contains(d.config.Databases, e.Resource) {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s does not offer the database %q.", d.name, e.Resource)
	}
	if !plainMark(o.Mark) {
		return Permission{}, access.Errorf(access.KindInvalid, "The order's mark is not 1 to %d printable ASCII characters.", maxMark)
	}
	return permission, nil
}

// plainMark reports whether a comment can hold the mark and give it back byte by byte.
func plainMark(m access.Mark) bool {
	return m != "" && len(m) <= maxMark && !strings.ContainsFunc(string(m), func(r rune) bool { return r < ' ' || r > '~' })
}

func (d *driver) permissionNames() []string { return slices.Sorted(maps.Keys(d.config.Permissions)) }

func (d *driver) readTarget(ctx context.Context, pool *pgxpool.Pool, database string, groups []string) (target, error) {
	var t target
	rows, err := pool.Query(ctx, readTarget, database, groups)
	if err != nil {
		return t, err
	}
	var g group
	_, err = pgx.ForEachRow(rows, []any{&t.System, &t.Account, &t.Database, &g.Name, &g.Exists, &g.Grantable, &g.Connects, &g.Danger},
		func() error {
			t.Groups = append(t.Groups, g)
			return nil
		})
	return t, err
}

// checkGroups refuses group roles that are missing, out of our hands, or too strong for access that shall end.
func (d *driver) checkGroups(groups []group) error {
	misconfigured := func(name, format string, args ...any) error {
		return access.Errorf(access.KindMisconfigured, "The role %q of the connector %s %s", name, d.name, fmt.Sprintf(format, args...))
	}
	for _, g := range groups {
		switch {
		case !g.Exists:
			return misconfigured(g.Name, "does not exist. An operator must create it or change the connector's permissions.")
		case g.Danger != "":
			return misconfigured(g.Name, "could be used to make access that outlives a grant (%s). An operator must use a weaker role.", g.Danger)
		case !g.Grantable:
			return misconfigured(g.Name, "is not Curfew's to give. An operator must GRANT it to Curfew's account WITH ADMIN OPTION.")
		}
	}
	return nil
}
