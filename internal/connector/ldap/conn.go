package ldap

import (
	"context"
	"errors"
	"sync"

	protocol "github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/semaphore"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/ldapdial"
)

// errClosed is the error of calls after Close.
var errClosed = errors.New("the connector is closed")

// pool lends connections that are logged in as Curfew's own account. A connection is lent to one call at a time, so that
// the end of a call's context can cut it.
type pool struct {
	server ldapdial.Server
	slots  *semaphore.Weighted
	idle   chan *protocol.Conn
	closed chan struct{}
	close  func()
}

// openPool resolves the password and the certificates, and connects to nothing.
func openPool(c Config) (*pool, error) {
	password, err := c.Password.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "password")
	}
	trust, err := ldapdial.Trust(c.URL, c.CAFile)
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "ca_file")
	}
	p := &pool{
		server: ldapdial.Server{URL: c.URL, StartTLS: c.StartTLS, BindDN: c.BindDN, Password: password, TLS: trust},
		slots:  semaphore.NewWeighted(int64(c.MaxConnections)),
		idle:   make(chan *protocol.Conn, c.MaxConnections), closed: make(chan struct{}),
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
	conn, err := p.server.Connect(ctx)
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
