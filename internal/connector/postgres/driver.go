package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	connectTimeout = 5 * time.Second
	// maxIdle is how long an unused connection is kept.
	maxIdle = 5 * time.Minute
	// maxObservers bounds the connections of the observer's account.
	maxObservers = 4
	// maxReaders bounds the connections of Curfew's own account when others make the log-ins.
	maxReaders = 4
	// maxSide bounds the connections to other databases, where leftovers are tidied.
	maxSide = 2
	// maxWaiting bounds the connections that wait for a locked role.
	maxWaiting = 1
)

// driver is an open connector. It is immutable but for its pools.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config

	pool *pgxpool.Pool
	// admins are pools that act as Config.AdminRoles, by role.
	admins map[string]*pgxpool.Pool
	// observer is the pool that reads back; the same as pool when there is no account for it.
	observer *pgxpool.Pool
	// side is taken while waiting is held, never the other way round.
	side, waiting *semaphore.Weighted
}

// Open makes the driver. It resolves the connection strings and connects when the first call needs it.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	return open(*c, env, makeFunctions)
}

// open makes the driver; ready is called on each connection that changes anything.
func open(c Config, env connector.Env, ready func(context.Context, *pgx.Conn) error) (*driver, error) {
	d := &driver{
		name: env.Name, clock: env.Clock, config: c,
		side: semaphore.NewWeighted(maxSide), waiting: semaphore.NewWeighted(maxWaiting),
	}
	d.config.Permissions = maps.Clone(c.Permissions)
	d.config.Databases = slices.Clone(c.Databases)
	d.config.AdminRoles = slices.Clone(c.AdminRoles)
	if err := d.openPools(ready); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *driver) openPools(ready func(context.Context, *pgx.Conn) error) (err error) {
	c := d.config
	size := c.MaxConnections
	if len(c.AdminRoles) > 0 {
		size = min(size, maxReaders)
	}
	if d.pool, err = openPool(c.DSN, "dsn", "", size, ready); err != nil {
		return err
	}
	if err := d.openAdminPools(ready); err != nil {
		return err
	}
	d.observer = d.pool
	if c.ObserverDSN != "" {
		d.observer, err = openPool(c.ObserverDSN, "observer_dsn", "", min(c.MaxConnections, maxObservers), nil)
	}
	return err
}

// openPool makes a pool of at most size connections, which act as the role from their first moment on if one is given; ready,
// if given, is called on each new one.
func openPool(ref secret.Ref, field, role string, size int, ready func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	dsn, err := ref.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), field)
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The parser's error quotes the text, which holds a password.
		return nil, connector.NewFieldError("what it refers to is no connection string; want postgres://USER:PASSWORD@HOST:PORT/DATABASE", field)
	}
	config.MaxConns = int32(size) // at most maxMaxConnections
	config.MaxConnIdleTime = maxIdle
	config.AfterConnect = ready
	config.ConnConfig.ConnectTimeout = connectTimeout
	setRuntime(config.ConnConfig)
	if role != "" {
		config.ConnConfig.RuntimeParams["role"] = role
	}
	return pgxpool.NewWithConfig(context.Background(), config)
}

// setRuntime fixes the settings that our statements rely on, whatever the server, the database or the account says.
func setRuntime(c *pgx.ConnConfig) {
	maps.Copy(c.RuntimeParams, map[string]string{
		"application_name": "curfew",
		// A user may have made functions, operators and tables that look like the catalog's.
		"search_path":                         "pg_catalog, pg_temp",
		"default_transaction_isolation":       "read committed",
		"client_min_messages":                 "error",
		"lock_timeout":                        "1s",
		"statement_timeout":                   "30s",
		"idle_in_transaction_session_timeout": "30s",
		// A removal that a crash of the server undoes has not happened.
		"synchronous_commit": "on",
		// Our statements are few and always the same: planning them anew would cost more than running them.
		"plan_cache_mode": "force_generic_plan",
		// They ask for a few roles among many, by their names and OIDs. Scanning or hashing the catalogs would cost more the
		// more roles are live.
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"timezone":  "UTC",
		"datestyle": "ISO",
	})
}

// Close closes the pools, after the calls that are under way.
func (d *driver) Close() error {
	for _, pool := range d.pools() {
		pool.Close()
	}
	return nil
}

// pools are all that are open, each once.
func (d *driver) pools() []*pgxpool.Pool {
	all := []*pgxpool.Pool{d.pool, d.observer}
	if d.observer == d.pool {
		all = all[:1]
	}
	all = slices.AppendSeq(all, maps.Values(d.admins))
	return slices.DeleteFunc(all, func(p *pgxpool.Pool) bool { return p == nil }) // one could not be opened
}

// inDatabase calls f with a connection of its own to the database, as the account whose pool it is.
func (d *driver) inDatabase(ctx context.Context, pool *pgxpool.Pool, database string, f func(*pgx.Conn) error) error {
	config := pool.Config().ConnConfig.Copy()
	config.Database = database
	return connect(ctx, d.side, config, f)
}

// connect calls f with a connection of its own, when bound has room for it. It does not come from the pool, and f may leave
// it in any state.
func connect(ctx context.Context, bound *semaphore.Weighted, config *pgx.ConnConfig, f func(*pgx.Conn) error) error {
	if err := bound.Acquire(ctx, 1); err != nil {
		return err
	}
	defer bound.Release(1)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing is lost with it
	}()
	return f(conn)
}
