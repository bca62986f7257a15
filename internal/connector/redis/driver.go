package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"net/url"
	"os"
	"time"

	protocol "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	connectTimeout = 5 * time.Second
	// answerTimeout bounds the wait for one answer, where the context does not.
	answerTimeout = 5 * time.Second
	defaultPort   = "6379"
)

// driver makes users on one server. It is immutable but for its connections.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config
	// server is its address, and secure whether it speaks TLS.
	server string
	secure bool
	// actors are connections of Curfew's account, and observers those that read back: the same where there is no other account.
	actors, observers *lines
}

var (
	_ connector.Driver        = (*driver)(nil)
	_ connector.BatchRevoker  = (*driver)(nil)
	_ connector.BatchObserver = (*driver)(nil)
)

// Open makes the driver. It resolves the passwords and connects when the first call needs it.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	d := &driver{name: env.Name, clock: env.Clock, config: *c}
	d.config.Resources = maps.Clone(c.Resources)
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	password, err := c.Password.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "password")
	}
	var observers string
	if c.ObserverUsername != "" {
		if observers, err = c.ObserverPassword.Resolve(); err != nil {
			return nil, connector.NewFieldError(err.Error(), "observer_password")
		}
	}
	d.server, d.secure = o.Addr, o.TLSConfig != nil
	d.actors = newLines(o, c.Username, password, c.MaxConnections)
	d.observers = d.actors
	if c.ObserverUsername != "" {
		d.observers = newLines(o, c.ObserverUsername, observers, c.MaxConnections)
	}
	return d, nil
}

// in calls f with a connection of Curfew's account, and gives its error a kind.
func (d *driver) in(ctx context.Context, doing string, f func(*protocol.Client) error) error {
	return d.fail(ctx, d.actors.with(ctx, f), doing)
}

// options are how the server is reached. Nothing is tried twice: that is for package connector and the engine.
func (c *Config) options() (protocol.Options, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return protocol.Options{}, connector.NewFieldError(err.Error(), "url")
	}
	o := protocol.Options{
		Addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), defaultPort)), Protocol: 2,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: connectTimeout,
		ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, ContextTimeoutEnabled: true,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if u.Scheme != "rediss" {
		return o, nil
	}
	o.TLSConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return o, connector.NewFieldError(err.Error(), "ca_file")
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return o, connector.NewFieldError("there is no certificate in it; want PEM", "ca_file")
		}
	}
	return o, nil
}

// Close closes the connections.
func (d *driver) Close() error {
	err := d.actors.close()
	if d.observers != d.actors {
		err = errors.Join(err, d.observers.close())
	}
	return err
}

// permission is what an entitlement stands for.
func (d *driver) permission(e access.Entitlement) (Permission, error) {
	resource, ok := d.config.Resources[e.Resource]
	if !ok {
		return Permission{}, access.Errorf(access.KindNotFound, "The connector %s has no resource %q.", d.name, e.Resource)
	}
	permission, ok := resource.Permissions[e.Permission]
	if !ok {
		return Permission{}, access.Errorf(access.KindNotFound, "The connector %s has no permission %q on %q.", d.name, e.Permission, e.Resource)
	}
	return permission, nil
}
