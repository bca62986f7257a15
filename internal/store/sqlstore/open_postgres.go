package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// postgresName names the store in errors. Its address is the operator's, and known.
	postgresName = "the store on PostgreSQL"
	// defaultSchema is where the tables are, unless search_path in the connection string names another schema.
	defaultSchema = "curfew"
	// defaultPoolSize bounds the connections, unless pool_max_conns in the connection string does.
	defaultPoolSize = 16
	// oldestPostgres is the oldest major version that is tested.
	oldestPostgres = 15

	connectTimeout = 5 * time.Second
	// maxIdle is how long an unused connection is kept.
	maxIdle = 5 * time.Minute
	// migrationLock is the advisory lock ("CRFW") under which one node at a time migrates, and migrationLimit how long
	// the others wait for it.
	migrationLock  = 0x43524657
	migrationLimit = 10 * time.Minute
)

// schemaName is a name that needs no quotes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// OpenPostgres opens the store in a PostgreSQL database, and makes its tables where there are none. Any number of
// processes may have it open, and may open it at the same time. The clock of Options is not used: there is one clock for
// all of them, the server's.
//
// The error is access.KindMisconfigured when an operator must act: a connection string that is none, an account without
// a schema of its own, a server that is too old or answers before a commit is durable, a schema that a newer version
// wrote. It is access.KindUnavailable when the server cannot be reached. No error repeats the connection string.
func OpenPostgres(ctx context.Context, dsn string, _ Options) (_ *Postgres, err error) {
	d, err := postgresDialect()
	if err != nil {
		return nil, err
	}
	config, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	if err := migratePostgres(ctx, config.ConnConfig, &d); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, cannotOpenPostgres(err)
	}
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	var floor time.Time
	if err := pool.QueryRow(ctx, newestEventOfAll).Scan(timeColumn{&floor}); err != nil {
		return nil, cannotOpenPostgres(err)
	}
	return &Postgres{dialect: d, clock: newServerClock(floor), pool: pool, limit: attemptLimit}, nil
}

// newestEventOfAll finds the newest event of each tenant, and of those the newest. It steps from tenant to tenant through
// the index, however many events there are.
const newestEventOfAll = `
	WITH RECURSIVE tenants (tenant) AS (
		(SELECT tenant FROM events ORDER BY tenant LIMIT 1)
		UNION ALL
		SELECT (SELECT e.tenant FROM events AS e WHERE e.tenant > t.tenant ORDER BY e.tenant LIMIT 1)
		FROM tenants AS t WHERE t.tenant IS NOT NULL
	)
	SELECT max((SELECT at FROM events AS e WHERE e.tenant = t.tenant ORDER BY e.id DESC LIMIT 1)) FROM tenants AS t`

// postgresConfig reads the connection string and fixes the settings that our statements rely on, whatever the server,
// the database or the account says.
func postgresConfig(dsn string) (*pgxpool.Config, error) {
	plain, err := pgconn.ParseConfig(dsn)
	if err != nil {
		// The parser's error quotes the text, which may hold a password.
		return nil, access.Errorf(access.KindMisconfigured,
			"the store's connection string cannot be read; want postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, access.Errorf(access.KindMisconfigured,
			"the pool settings (pool_…) in the store's connection string cannot be read; leave them out")
	}
	if _, said := plain.RuntimeParams["pool_max_conns"]; !said {
		config.MaxConns = defaultPoolSize
	}
	config.MaxConnIdleTime = maxIdle
	config.PingTimeout = connectTimeout
	config.AfterConnect = checkServer
	conn := config.ConnConfig
	conn.ConnectTimeout = connectTimeout
	if conn.ValidateConnect == nil {
		// Of several hosts the primary; and after a failover no connection to the old one.
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	schema := conn.RuntimeParams["search_path"]
	if schema == "" {
		schema = defaultSchema
	}
	if !schemaName.MatchString(schema) {
		return nil, access.Errorf(access.KindMisconfigured,
			"search_path in the store's connection string names the one schema of the store: want a name of a-z, 0-9 and _, as in search_path=curfew")
	}
	maps.Copy(conn.RuntimeParams, map[string]string{
		"application_name": "curfew",
		"search_path":      schema,
		"timezone":         "UTC",
		// Bounds for a statement, a wait for a lock, and a transaction whose client has gone silent.
		"statement_timeout":                   "10s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "30s",
		// A serialisable transaction that reads a whole table conflicts with everybody who writes to it. While tables are
		// small the planner would do that; every query of ours has its index.
		"enable_seqscan": "off",
	})
	return config, nil
}

// checkServer refuses a connection on which what Update promises is not true.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var commit, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int / 10000,
		current_setting('synchronous_commit'), current_setting('server_encoding')`).Scan(&version, &commit, &encoding)
	switch {
	case err != nil:
		return err
	case version < oldestPostgres:
		return access.Errorf(access.KindMisconfigured, "the store's server is PostgreSQL %d: want %d or newer", version, oldestPostgres)
	case commit == "off":
		return access.Errorf(access.KindMisconfigured,
			"synchronous_commit is off for the store's account, so that a commit could be lost after it was answered: "+
				"set it to on, for the account (ALTER ROLE … SET synchronous_commit = on) or for the server")
	case encoding != "UTF8":
		return access.Errorf(access.KindMisconfigured, "the store's database has the encoding %s: make one with UTF8", encoding)
	}
	return nil
}

// migratePostgres migrates under a session's lock, so that any number of nodes may start at once: goose's own locker is
// not held while it looks which version there is, and makes the table for it.
func migratePostgres(ctx context.Context, config *pgx.ConnConfig, d *dialect) (err error) {
	ctx, cancel := context.WithTimeout(ctx, migrationLimit)
	defer cancel()
	config = config.Copy()
	// A migration of a large table takes its time.
	config.RuntimeParams["statement_timeout"], config.RuntimeParams["lock_timeout"] = "0", "0"
	return lockedForMigration(ctx, config, func(db *sql.DB) error {
		if err := migrate(ctx, db, d, postgresName, cannotOpenPostgres); err != nil {
			return err
		}
		return refuseUnfinished(ctx, db, postgresName, cannotOpenPostgres)
	})
}

// lockedForMigration runs do while nobody else migrates the store, or restores it.
func lockedForMigration(ctx context.Context, config *pgx.ConnConfig, do func(*sql.DB) error) (err error) {
	lock, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return cannotOpenPostgres(err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		err = errors.Join(err, lock.Close(closing)) // and the lock with it
	}()
	if err := checkServer(ctx, lock); err != nil {
		return cannotOpenPostgres(err)
	}
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return cannotOpenPostgres(err)
	}
	db := stdlib.OpenDB(*config)
	return errors.Join(do(db), db.Close())
}

func cannotOpenPostgres(err error) error {
	if _, ok := errors.AsType[*access.Error](err); ok {
		return err
	}
	kind, message := classifyPostgres(err)
	return access.Wrap(kind, err, postgresName+" cannot be opened. "+message)
}
