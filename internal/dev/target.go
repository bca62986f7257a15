package dev

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed demo.sql
var demoData string

// account acts at the demo database, observer reads back; docs/connectors/postgres.md says why they are given what they are.
const (
	account  = "curfew"
	observer = "curfew_observer"
)

// startTarget starts the private PostgreSQL, gives it the demo data at its first start, and writes down how Curfew
// reaches it.
func startTarget(ctx context.Context, f *folder, progress io.Writer) (*localpeer.Postgres, error) {
	o := localpeer.PostgresOptions{Progress: progress, Settings: map[string]string{"max_prepared_transactions": "10"}}
	if f.keep {
		o.DataDir, o.Fsync = filepath.Join(f.path, "postgres"), true
	}
	pg, err := localpeer.StartPostgres(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := setUp(ctx, pg, f); err != nil {
		return nil, errors.Join(fmt.Errorf("setting up the demo database: %w", err), pg.Stop())
	}
	return pg, nil
}

// setUp writes down how Curfew reaches the server, and at the first start gives the server what a company has.
func setUp(ctx context.Context, pg *localpeer.Postgres, f *folder) error {
	passwords := map[string]string{}
	for _, name := range []string{account, observer} {
		password, err := f.secret(name + ".password")
		if err != nil {
			return err
		}
		if err := f.write(name+".dsn", pg.DSN("postgres", name, password)); err != nil {
			return err
		}
		passwords[name] = password
	}
	admin, err := pgx.Connect(ctx, pg.SuperuserDSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	var there bool
	err = admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'orders')").Scan(&there)
	if err != nil || there {
		return err
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE orders"); err != nil {
		return err
	}
	orders, err := pgx.Connect(ctx, pg.SuperuserDSN("orders"))
	if err != nil {
		return err
	}
	defer orders.Close(ctx)
	if _, err := orders.Exec(ctx, demoData); err != nil {
		return err
	}
	return giveAccounts(ctx, orders, pg.Version(), passwords)
}

// giveAccounts makes Curfew's own accounts as its documentation asks.
func giveAccounts(ctx context.Context, conn *pgx.Conn, version int, passwords map[string]string) error {
	for name, attributes := range map[string]string{
		account: "LOGIN CREATEROLE NOSUPERUSER", observer: "LOGIN NOSUPERUSER NOCREATEROLE CONNECTION LIMIT 10",
	} {
		var create string
		err := conn.QueryRow(ctx, "SELECT format('CREATE ROLE %I %s PASSWORD %L', $1::text, $2::text, $3::text)",
			name, attributes, passwords[name]).Scan(&create)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, create); err != nil {
			return err
		}
	}
	if version < 16 {
		return nil
	}
	_, err := conn.Exec(ctx, "GRANT orders_read, orders_write TO "+account+" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
	return err
}
