package curfewdtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// Target is a PostgreSQL to give access to: the database orders with the group roles orders_read and orders_write, and
// Curfew's own account.
type Target struct{ *localpeer.Postgres }

const targetPassword = "target-test-account"

// StartTarget starts the server, and stops it at the end of the test.
func StartTarget(t testing.TB, o localpeer.PostgresOptions) Target {
	t.Helper()
	pg := StartPostgres(t, o)
	for _, step := range []struct{ database, sql string }{
		{"postgres", "CREATE DATABASE orders"},
		{"orders", `CREATE ROLE orders_read NOLOGIN; CREATE ROLE orders_write NOLOGIN; GRANT CREATE ON SCHEMA public TO orders_write`},
		{"orders", `CREATE ROLE curfew LOGIN CREATEROLE PASSWORD '` + targetPassword + `'`},
	} {
		Exec(t, pg.SuperuserDSN(step.database), step.sql)
	}
	if pg.Version() >= 16 {
		Exec(t, pg.SuperuserDSN("orders"), "GRANT orders_read, orders_write TO curfew WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	return Target{pg}
}

// StartPostgres starts a server, and stops it at the end of the test.
func StartPostgres(t testing.TB, o localpeer.PostgresOptions) *localpeer.Postgres {
	t.Helper()
	pg, err := localpeer.StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// AccountDSN is the connection string of Curfew's account.
func (p Target) AccountDSN() string { return p.DSN("postgres", "curfew", targetPassword) }

// Exec runs statements on a connection of their own.
func Exec(t testing.TB, dsn, sql string) {
	t.Helper()
	if _, err := Connect(t, dsn).Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// Connect opens a connection that is closed with the test.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disconnect(conn) })
	return conn
}

func disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Role is one of ours at the target.
type Role struct {
	Name  string
	Grant access.GrantID
	// Login is whether it can log in; Until is when that ends by itself, zero for never.
	Login bool
	Until time.Time
}

// Roles lists what bears the mark of an installation, with a superuser's eyes; empty is any installation.
func (p Target) Roles(ctx context.Context, installation string) ([]Role, error) {
	prefix := "curfew1:"
	if installation != "" {
		prefix += installation + ":"
	}
	conn, err := pgx.Connect(ctx, p.SuperuserDSN("postgres"))
	if err != nil {
		return nil, err
	}
	defer disconnect(conn)
	rows, err := conn.Query(ctx, `
		SELECT r.rolname, shobj_description(r.oid, 'pg_authid'), r.rolcanlogin,
		       CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil ELSE 'epoch' END
		FROM pg_roles r WHERE starts_with(shobj_description(r.oid, 'pg_authid'), $1)`, prefix)
	if err != nil {
		return nil, err
	}
	roles, err := pgx.CollectRows(rows, scanRole)
	if err != nil {
		return nil, fmt.Errorf("the roles at the target: %w", err)
	}
	return roles, nil
}

func scanRole(row pgx.CollectableRow) (r Role, err error) {
	var mark string
	var until *time.Time
	if err := row.Scan(&r.Name, &mark, &r.Login, &until); err != nil {
		return Role{}, err
	}
	if parts := strings.Split(mark, ":"); len(parts) == 6 {
		r.Grant = access.GrantID(parts[4])
	}
	if until != nil {
		r.Until = *until
	}
	return r, nil
}
