package postgres

import (
	"context"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
)

// From PostgreSQL 16 on, whoever makes a role becomes its administrator, by a membership that only a superuser could take away. Whether
// somebody may alter or drop a role is then looked for among all roles that they administer, and each change of a membership
// makes the server forget what it found. So a removal costs in proportion to the log-ins that are live, unless several
// roles share them out: Config.AdminRoles. Which of them made a log-in is the Account in its plan.

// minAdminVersion: before 16 CREATEROLE alone is enough to administer every role, at no cost.
const minAdminVersion = 160000

// openAdminPools makes a pool for each administrator. Its sessions are those of Curfew's account.
func (d *driver) openAdminPools(ready func(context.Context, *pgx.Conn) error) error {
	d.admins = make(map[string]*pgxpool.Pool, len(d.config.AdminRoles))
	for _, role := range d.config.AdminRoles {
		size := max(1, d.config.MaxConnections/len(d.config.AdminRoles))
		pool, err := openPool(d.config.DSN, "dsn", role, size, ready)
		if err != nil {
			return err
		}
		d.admins[role] = pool
	}
	return nil
}

// poolOf is the pool of the account that a plan names. What was made by a role that is configured no more is left to
// Curfew's own account, which the server will refuse it.
func (d *driver) poolOf(account string) *pgxpool.Pool {
	if pool, ok := d.admins[account]; ok {
		return pool
	}
	return d.pool
}

// makerOf is the pool of who makes the log-in of a grant. It is the same at each attempt.
func (d *driver) makerOf(grant access.GrantID) *pgxpool.Pool {
	roles := d.config.AdminRoles
	if len(roles) == 0 {
		return d.pool
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(grant)) // never fails
	return d.admins[roles[int(h.Sum32()%uint32(len(roles)))]]
}

// makers are the pools that make log-ins.
func (d *driver) makers() []*pgxpool.Pool {
	if len(d.admins) == 0 {
		return []*pgxpool.Pool{d.pool}
	}
	pools := make([]*pgxpool.Pool, 0, len(d.admins))
	for _, role := range d.config.AdminRoles {
		pools = append(pools, d.admins[role])
	}
	return pools
}

// readAdminRoles finds the first administrator that cannot be used, and why. It takes their names, and that of the role that objects
// are reassigned to.
const readAdminRoles = `
SELECT name, what FROM (
  SELECT a.name, a.place,
         CASE WHEN r.oid IS NULL THEN 'does not exist. An operator must create it'
              WHEN r.rolsuper OR r.rolcanlogin OR NOT r.rolcreaterole THEN 'must be NOLOGIN, NOSUPERUSER and CREATEROLE. An operator must ALTER ROLE it'
              WHEN NOT pg_has_role(r.oid, 'SET') THEN 'is not for Curfew''s account to act as. An operator must GRANT it to the account WITH SET TRUE'
              WHEN NOT pg_has_role(r.oid, owner.oid, 'USAGE') THEN format('must be a member of %I, to reassign objects to it. An operator must GRANT that', owner.rolname)
         END AS what
    FROM unnest($1::text[]) WITH ORDINALITY AS a (name, place)
    LEFT JOIN pg_roles r ON r.rolname = a.name
    LEFT JOIN pg_roles owner ON owner.rolname = $2
) AS checked WHERE what IS NOT NULL ORDER BY place LIMIT 1`

// checkAdminRoles checks what the administrators are, before a session acts as one of them.
func (d *driver) checkAdminRoles(ctx context.Context, versionNum int) error {
	if len(d.config.AdminRoles) == 0 {
		return nil
	}
	if versionNum < minAdminVersion {
		return access.Errorf(access.KindMisconfigured,
			"The connector %s has admin_roles, and leads to a PostgreSQL before 16, where they gain nothing. An operator must remove them.", d.name)
	}
	var role, what string
	rows, err := d.pool.Query(ctx, readAdminRoles, d.config.AdminRoles, d.config.ObjectsOwner)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&role, &what}, func() error {
			return access.Errorf(access.KindMisconfigured, "The role %q of admin_roles of the connector %s %s.", role, d.name, what)
		})
	}
	return d.fail(ctx, err, "read its admin_roles")
}
