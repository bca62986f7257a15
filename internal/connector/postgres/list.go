package postgres

import (
	"context"
	"iter"

	"github.com/curfewhq/curfew/internal/access"
)

const listDatabases = `
SELECT datname FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND (cardinality($1::text[]) = 0 OR datname = ANY ($1))
 ORDER BY datname`

// Discover yields the databases that can be asked for, each with all permissions. A database whose name could not be
// shown and typed is left out: nobody could ask for it.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		databases := d.config.Databases
		if databases == nil {
			databases = []string{}
		}
		rows, err := d.pool.Query(ctx, listDatabases, databases)
		if err != nil {
			yield(access.Resource{}, d.fail(ctx, err, "list its databases"))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				yield(access.Resource{}, d.fail(ctx, err, "list its databases"))
				return
			}
			if access.ValidateResourceName(name) != nil {
				continue
			}
			if !yield(access.Resource{Name: name, Permissions: d.permissionNames()}, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(access.Resource{}, d.fail(ctx, err, "list its databases"))
		}
	}
}

// listMarked finds the marks of every installation: all begin alike. It takes the names of our administrators.
const listMarked = `
SELECT coalesce(c.description, ''), r.rolname, r.rolcanlogin,
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid),
       (SELECT system_identifier::text FROM pg_control_system()),
       coalesce((SELECT a.rolname FROM pg_auth_members m JOIN pg_roles a ON a.oid = m.member
                  WHERE m.roleid = r.oid AND m.admin_option AND a.rolname = ANY ($1) LIMIT 1), current_user)::text, r.oid
  FROM pg_roles r
  JOIN pg_shdescription c ON c.objoid = r.oid AND c.classoid = 'pg_authid'::regclass
 WHERE starts_with(c.description, 'curfew')
 ORDER BY r.rolname`

// List yields every role that bears a mark, open or closed.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		rows, err := d.pool.Query(ctx, listMarked, d.config.AdminRoles)
		if err != nil {
			yield(access.Sighting{}, d.fail(ctx, err, "list the roles that it made"))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var v plan
			var canLogIn, member bool
			err := rows.Scan(&v.Mark, &v.Role, &canLogIn, &member, &v.System, &v.Account, &v.OID)
			if err != nil {
				yield(access.Sighting{}, d.fail(ctx, err, "list the roles that it made"))
				return
			}
			p, err := v.encode()
			if err != nil {
				yield(access.Sighting{}, err)
				return
			}
			if !yield(access.Sighting{Mark: v.Mark, Atom: v.atom(), Note: note(canLogIn, member), Plan: p}, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(access.Sighting{}, d.fail(ctx, err, "list the roles that it made"))
		}
	}
}

func note(canLogIn, member bool) string {
	switch {
	case canLogIn:
		return "a role that can log in"
	case member:
		return "a role that has memberships and cannot log in"
	}
	return "a closed role"
}
