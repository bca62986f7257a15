package mysql

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// procedureOwner is the account that the procedures run as.
const procedureOwner = "curfew_owner"

// maxRights bounds what is read of one role.
const maxRights = 10_000

// showRights shows what a role may do; without one, what the owner of the procedures may.
const showRights = `CALL curfew.show_rights(?)`

// rights are what a role, or the owner of the procedures, may do, roles that it holds included.
func (d *driver) rights(ctx context.Context, role *string) ([]right, error) {
	var all []right
	err := each(ctx, d.pool, showRights, []any{role}, func(rows *sql.Rows) error {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		r, gives, err := parseRight(line)
		if err != nil || len(all) == maxRights {
			return access.Errorf(access.KindMisconfigured, "The rights that the connector %s reads at its server cannot be judged. An operator must use a plainer role.", d.name)
		}
		if gives {
			all = append(all, r)
		}
		return nil
	})
	return all, err
}

// offer is what a permission can be given on.
type offer struct {
	// anywhere: on every database.
	anywhere bool
	rights   []right
}

func (o offer) on(database string) bool {
	return o.anywhere || slices.ContainsFunc(o.rights, func(r right) bool { return r.opens(database) })
}

// offer reads what the permission can be given on, and refuses a role that is too strong for access that shall end.
func (d *driver) offer(ctx context.Context, p Permission) (offer, error) {
	if p.Role == "" {
		return offer{anywhere: true}, nil
	}
	all, err := d.roleRights(ctx, p.Role)
	if err != nil {
		return offer{}, err
	}
	for _, r := range all {
		if what := d.config.danger(r, p); what != "" {
			return offer{}, d.misconfiguredRole(p.Role, "could be used to do more than a permission may: "+what+". An operator must use a weaker role, or change the connector's permissions.")
		}
	}
	return offer{rights: all}, nil
}

// maxRoles bounds how many roles are read for one.
const maxRoles = 64

// roleRights are the rights of a role and of all that it holds. MariaDB shows them at once, MySQL does not.
func (d *driver) roleRights(ctx context.Context, role string) ([]right, error) {
	var all []right
	seen := []string{role}
	for i := 0; i < len(seen); i++ {
		if i == maxRoles {
			return nil, d.misconfiguredRole(role, "holds too many roles to be judged. An operator must use a plainer one.")
		}
		some, err := d.rights(ctx, &seen[i])
		if serverNumber(err) == errNoSuchGrant {
			return nil, d.misconfiguredRole(seen[i], "does not exist. An operator must create it or change the connector's permissions.")
		}
		if err != nil {
			return nil, d.fail(ctx, err, "read its roles")
		}
		for _, r := range some {
			for _, held := range r.Roles {
				if !slices.Contains(seen, held) {
					seen = append(seen, held)
				}
			}
		}
		all = append(all, some...)
	}
	return all, nil
}

func (d *driver) misconfiguredRole(role, what string) error {
	return access.Errorf(access.KindMisconfigured, "The role %q of the connector %s %s", role, d.name, what)
}

// danger says why a permission must not hold the right, or is empty.
func (c *Config) danger(r right, p Permission) string {
	if r.Grantable {
		return "it can hand on what it has"
	}
	lower := right{Database: strings.ToLower(r.Database), Whole: r.Whole}
	for _, name := range r.Privileges {
		switch {
		case name == "USAGE":
			continue
		case onDatabases(name) && (lower.covers("mysql") || lower.covers("curfew")):
			return "it has " + name + " on the server's accounts, or on Curfew's own schema"
		}
		if err := c.checkPrivilege(name, p.Allow); err != nil {
			return err.Error()
		}
	}
	return ""
}

// ownerGives reports whether the owner of the procedures can give the permission on the database; of a role, on any.
func ownerGives(owner []right, p Permission, database string) bool {
	has := func(f func(right) bool) bool {
		return slices.ContainsFunc(owner, func(r right) bool { return r.Holder == procedureOwner && r.Grantable && f(r) })
	}
	if p.Role != "" {
		return has(func(r right) bool { return slices.Contains(r.Roles, p.Role) })
	}
	return !slices.ContainsFunc(p.Privileges, func(name string) bool {
		return !has(func(r right) bool {
			return (r.Whole || len(p.Tables) > 0) && r.covers(database) &&
				(slices.Contains(r.Privileges, name) || slices.Contains(r.Privileges, "ALL PRIVILEGES"))
		})
	})
}
