package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	protocol "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	connectTimeout = 5 * time.Second
	// maxIdle is how long an unused connection is kept: less than the server keeps it.
	maxIdle = 30 * time.Second
	// maxObservers bounds the connections of the observer's account.
	maxObservers = 4
	// readTimeout bounds a read that no context bounds: the library reads to the end what nobody wants any more.
	readTimeout = 30 * time.Second
)

// driver is an open connector. It is immutable but for its pools.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config

	pool *sql.DB
	// observer is the pool that reads back; the same as pool when there is no account for it.
	observer *sql.DB
}

var _ connector.Driver = (*driver)(nil)

// Open makes the driver. It resolves the passwords and connects when the first call needs it.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	d := &driver{name: env.Name, clock: env.Clock, config: *c}
	d.config.Permissions = maps.Clone(c.Permissions)
	d.config.Databases = slices.Clone(c.Databases)
	var err error
	if d.pool, err = c.openPool(c.User, c.Password, c.MaxConnections); err != nil {
		return nil, err
	}
	d.observer = d.pool
	if o := c.Observer; o != nil {
		if d.observer, err = c.openPool(o.User, o.Password, min(c.MaxConnections, maxObservers), "observer"); err != nil {
			return nil, errors.Join(err, d.pool.Close())
		}
	}
	return d, nil
}

// openPool makes a pool of at most size connections of an account.
func (c *Config) openPool(user string, password secret.Ref, size int, path ...string) (*sql.DB, error) {
	p := protocol.NewConfig()
	p.User, p.Net, p.Addr, p.Timeout, p.ReadTimeout, p.Logger = user, "tcp", c.Address, connectTimeout, readTimeout, &protocol.NopLogger{}
	if c.socket() {
		p.Net = "unix"
	}
	var err error
	if p.Passwd, err = password.Resolve(); err != nil {
		return nil, connector.NewFieldError(err.Error(), append(path, "password")...)
	}
	if p.TLS, err = c.tls(); err != nil {
		return nil, err
	}
	p.Params = map[string]string{
		"time_zone": "'+00:00'",
		// A change of accounts that has waited this long fails, so that it does not come late.
		"lock_wait_timeout": "5",
		// What a connection of ours holds, it does not hold long after we are gone.
		"wait_timeout": "60",
		"sql_mode":     "'STRICT_ALL_TABLES'",
	}
	conn, err := protocol.NewConnector(p)
	if err != nil {
		return nil, connector.NewFieldError("the server cannot be reached by it", "address")
	}
	pool := sql.OpenDB(conn)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(maxIdle)
	return pool, nil
}

// tls is how the way to the server is protected, or nil where it does not leave the machine.
func (c *Config) tls() (*tls.Config, error) {
	if c.plain() {
		return nil, nil
	}
	host, _, _ := net.SplitHostPort(c.Address)
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "ca_file")
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, connector.NewFieldError("there is no certificate in it; want PEM", "ca_file")
	}
	return config, nil
}

// Close closes the pools, after the calls that are under way.
func (d *driver) Close() error {
	if d.observer == d.pool {
		return d.pool.Close()
	}
	return errors.Join(d.pool.Close(), d.observer.Close())
}
