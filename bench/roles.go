package main

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
)

// strayRoles counts the roles of ours that can log in and that the books do not explain, or that would outlive their
// deadline if Curfew never came back.
func strayRoles(ctx context.Context, pool *pgxpool.Pool, grants map[access.GrantID]access.Grant) (strays int, err error) {
	rows, err := pool.Query(ctx, `
		SELECT split_part(shobj_description(oid, 'pg_authid'), ':', 5), coalesce(rolvaliduntil, 'infinity')::text
		FROM pg_roles WHERE rolcanlogin AND starts_with(shobj_description(oid, 'pg_authid'), 'curfew1:')`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, until string
		if err := rows.Scan(&id, &until); err != nil {
			return 0, err
		}
		g, known := grants[access.GrantID(id)]
		expiry, err := time.Parse("2006-01-02 15:04:05.999999-07", until)
		if !known || !g.State.Live() || err != nil || expiry.After(g.Deadline) {
			strays++
		}
	}
	return strays, rows.Err()
}

// replaceDSN names the file of the connection string by its whole path.
func replaceDSN(config, path string) string {
	return strings.ReplaceAll(config, `"file:dsn"`, `"file:`+path+`"`)
}
