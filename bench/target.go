package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// target is a PostgreSQL and an installation before it.
type target struct {
	installation
	postgres *localpeer.Postgres
	// pool is the superuser's, with a connection for each worker.
	pool *pgxpool.Pool
}

// startTarget starts a PostgreSQL that keeps what it commits, and makes the account of docs/connectors/postgres.md there.
func startTarget(ctx context.Context, workers, iterations int) (_ *target, err error) {
	pg, err := localpeer.StartPostgres(ctx, localpeer.PostgresOptions{
		Fsync: true, Progress: os.Stderr, Settings: map[string]string{"max_connections": "300"},
	})
	if err != nil {
		return nil, err
	}
	t := &target{postgres: pg}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.stop())
		}
	}()
	admins := administrators(pg)
	if err := makeAccount(ctx, pg, admins); err != nil {
		return nil, err
	}
	t.installation, err = install(fmt.Sprintf(`{type: postgres, dsn: %s, databases: [orders], scram_iterations: %d,
    concurrency: 16, permissions: {read: {roles: [orders_read]}, write: {roles: [orders_write]}}, admin_roles: [%s]}`,
		relativeDSN, iterations, strings.Join(admins, ", ")))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(t.edit(relativeDSN, t.wholeDSN()), t.write("dsn", pg.DSN("postgres", accountName, accountPassword))); err != nil {
		return nil, err
	}
	t.pool, err = pgxpool.New(ctx, pg.SuperuserDSN("postgres")+fmt.Sprintf("&pool_max_conns=%d", workers))
	return t, err
}

const accountName, accountPassword = "curfew", "bench-account"

// administrators are the roles that share out the log-ins, where that is needed: about one for each six hundred that are live in
// number 4.
func administrators(pg *localpeer.Postgres) (roles []string) {
	const enough = 32
	if pg.Version() < 16 {
		return nil
	}
	for n := range enough {
		roles = append(roles, fmt.Sprintf("curfew_admin_%d", n+1))
	}
	return roles
}

func makeAccount(ctx context.Context, pg *localpeer.Postgres, admins []string) error {
	admin, err := pgx.Connect(ctx, pg.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	statements := []string{
		"CREATE DATABASE orders", "CREATE ROLE orders_read NOLOGIN", "CREATE ROLE orders_write NOLOGIN",
		"CREATE ROLE " + accountName + " LOGIN CREATEROLE PASSWORD '" + accountPassword + "'",
	}
	if pg.Version() >= 16 {
		statements = append(statements, "GRANT orders_read, orders_write TO "+accountName+" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	}
	for _, role := range admins {
		statements = append(statements, "CREATE ROLE "+role+" NOLOGIN CREATEROLE",
			"GRANT orders_read, orders_write TO "+role+" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
			"GRANT "+role+" TO "+accountName+" WITH INHERIT FALSE, SET TRUE")
	}
	for _, statement := range statements {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the PostgreSQL and removes everything.
func (t *target) stop() error {
	if t.pool != nil {
		t.pool.Close()
	}
	err := t.postgres.Stop()
	if t.folder != "" {
		err = errors.Join(err, t.remove())
	}
	return err
}

// processes are those of the PostgreSQL: the first of them, which has waited for all that have ended.
func (t *target) processes() (pids []int) {
	for _, p := range processes() {
		if p.parent == os.Getpid() && p.name == "postgres" {
			pids = append(pids, p.pid)
		}
	}
	return pids
}
