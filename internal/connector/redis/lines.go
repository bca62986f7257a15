package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	protocol "github.com/redis/go-redis/v9"
)

// lines lend connections of one account. The library obeys the deadline of a context, and not its cancellation; so each
// connection has a client of its own and is lent to one call at a time, whose end can cut it.
type lines struct {
	username string
	all      []*line
	idle     chan *line
}

// line is a client with one connection, which it makes when it is needed, and again when it was cut.
type line struct {
	client *protocol.Client

	mu   sync.Mutex
	conn net.Conn
}

// newLines connects to nothing.
func newLines(o protocol.Options, username, password string, n int) *lines {
	all := &lines{username: username, idle: make(chan *line, n)}
	for range n {
		l, own := &line{}, o
		own.Username, own.Password = username, password
		own.PoolSize, own.MaxActiveConns, own.PipelinePoolSize = 1, 1, -1 // pipelines go the same way
		dial := protocol.NewDialer(&own)
		own.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				conn = unreached{fmt.Errorf("dial: %w", err)} // of what fails a log-in the library takes one layer off
			}
			l.mu.Lock()
			l.conn = conn
			l.mu.Unlock()
			return conn, nil
		}
		l.client = protocol.NewClient(&own)
		all.all = append(all.all, l)
		all.idle <- l
	}
	return all
}

// with calls f with a connection. When ctx ends, the connection is cut, and f's command fails.
func (all *lines) with(ctx context.Context, f func(*protocol.Client) error) error {
	var l *line
	select {
	case l = <-all.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { all.idle <- l }()
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		l.cut()
	})
	err := f(l.client)
	if !stop() {
		<-done // or it would cut the next call
	}
	return err
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// close closes the connections; calls fail from now on.
func (all *lines) close() error {
	var errs []error
	for _, l := range all.all {
		if err := l.client.Close(); !errors.Is(err, protocol.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
