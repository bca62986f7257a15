package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	protocol "github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/semaphore"

	"github.com/curfewhq/curfew/internal/connector"
)

const connectTimeout = 5 * time.Second

// errClosed is the error of calls after Close.
var errClosed = errors.New("the connector is closed")

// pool lends connections that are logged in as Curfew's own account. A connection is lent to one call at a time, so that
// the end of a call's context can cut it.
type pool struct {
	config   Config
	password string
	tls      *tls.Config
	slots    *semaphore.Weighted
	idle     chan *protocol.Conn
	closed   chan struct{}
	close    func()
}

// openPool resolves the password and the certificates, and connects to nothing.
func openPool(c Config) (*pool, error) {
	password, err := c.Password.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "password")
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "url")
	}
	config := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, connector.NewFieldError(err.Error(), "ca_file")
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, connector.NewFieldError("there is no certificate in it; want PEM", "ca_file")
		}
	}
	p := &pool{
		config: c, password: password, tls: config, slots: semaphore.NewWeighted(int64(c.MaxConnections)),
		idle: make(chan *protocol.Conn, c.MaxConnections), closed: make(chan struct{}),
	}
	p.close = sync.OnceFunc(p.letGo)
	return p, nil
}

// with calls f with a connection. When ctx ends, the connection is cut, and f's operation fails. A connection on which an
// operation failed for another reason than the server's answer is not used again; one that had been idle may have been dead,
// so f is called once more with a new one if it had no answer at all.
func (p *pool) with(ctx context.Context, f func(*protocol.Conn) error) error {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	defer p.slots.Release(1)
	select {
	case <-p.closed:
		return errClosed
	default:
	}
	select {
	case conn := <-p.idle:
		if err := p.lend(ctx, conn, f); !broken(err) || ctx.Err() != nil {
			return err
		}
	default:
	}
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	return p.lend(ctx, conn, f)
}

func (p *pool) lend(ctx context.Context, conn *protocol.Conn, f func(*protocol.Conn) error) error {
	cut := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := f(conn)
	if !cut() || broken(err) {
		_ = conn.Close()
		return err
	}
	select {
	case <-p.closed:
		_ = conn.Close()
	case p.idle <- conn:
	}
	return err
}

// broken reports whether the server did not answer.
func broken(err error) bool {
	var result *protocol.Error
	return errors.As(err, &result) && result.ResultCode >= protocol.ErrorNetwork
}

// connect connects, begins TLS, and logs in.
func (p *pool) connect(ctx context.Context) (*protocol.Conn, error) {
	dialer := &net.Dialer{Timeout: connectTimeout}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := protocol.DialURL(p.config.URL, protocol.DialWithDialer(dialer), protocol.DialWithTLSConfig(p.tls))
	if err != nil {
		return nil, err
	}
	cut := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer cut()
	if p.config.StartTLS {
		if err := conn.StartTLS(p.tls); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if err := conn.Bind(p.config.BindDN, p.password); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// letGo closes idle connections; those that are lent are closed when they come back.
func (p *pool) letGo() {
	close(p.closed)
	for {
		select {
		case conn := <-p.idle:
			_ = conn.Close()
		default:
			return
		}
	}
}
