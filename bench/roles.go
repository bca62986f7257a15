package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
)

// markedRole is a role at PostgreSQL that bears a mark of ours.
type markedRole struct {
	login bool
	// expiry is VALID UNTIL; zero when it has none.
	expiry time.Time
}

// markedRoles reads the roles of ours, by the grants that their marks name. The mark is the engine's: curfew1, installation,
// tenant, connector, grant and MAC, with colons between.
func markedRoles(ctx context.Context, pool *pgxpool.Pool) (map[access.GrantID]markedRole, error) {
	rows, err := pool.Query(ctx, `
		SELECT split_part(shobj_description(oid, 'pg_authid'), ':', 5), rolcanlogin, nullif(rolvaliduntil, 'infinity')
		FROM pg_roles WHERE starts_with(shobj_description(oid, 'pg_authid'), 'curfew1:')`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	roles := map[access.GrantID]markedRole{}
	for rows.Next() {
		var id string
		var r markedRole
		var expiry *time.Time
		if err := rows.Scan(&id, &r.login, &expiry); err != nil {
			return nil, err
		}
		if expiry != nil {
			r.expiry = *expiry
		}
		roles[access.GrantID(id)] = r
	}
	return roles, rows.Err()
}

// holdRolesAgainst compares the roles with the books. An active grant without a role that can log in is as wrong as a role
// that the books do not explain, or one that would outlive its deadline if Curfew never came back.
func holdRolesAgainst(ctx context.Context, pool *pgxpool.Pool, grants map[access.GrantID]access.Grant) error {
	roles, err := markedRoles(ctx, pool)
	if err != nil {
		return err
	}
	var missing, strays, outliving int
	for id, g := range grants {
		if g.State == access.GrantActive && !roles[id].login {
			missing++
		}
	}
	for id, r := range roles {
		switch g := grants[id]; {
		case !r.login:
		case !g.State.Live():
			strays++
		case r.expiry.IsZero() || r.expiry.After(g.Deadline):
			outliving++
		}
	}
	if missing+strays+outliving > 0 {
		return fmt.Errorf("of %d roles and %d grants, %d active grants have no role, %d roles no grant, and %d outlive theirs",
			len(roles), len(grants), missing, strays, outliving)
	}
	return nil
}
