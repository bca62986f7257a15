package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// SQLite is a store in a file, which is this process's alone. Concurrent transactions share commits.
type SQLite struct {
	dialect dialect
	clock   *clock
	writer  *writer
	// background is that of the options.
	background func(store.TxName) bool
	// readers holds the idle read connections.
	readers chan *sqliteSession
	closing chan struct{}
	check   func(context.Context) error
	// release gives back what was opened, when nothing uses it any more.
	release func() error

	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*SQLite)(nil)

// Update implements store.Store.
func (s *SQLite) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	m := newMember(name, fn)
	m.background = s.background != nil && s.background(name)
	return s.writer.submit(ctx, m)
}

// View implements store.Store. Once fn has begun, a cancelled ctx takes effect before its next statement.
func (s *SQLite) View(ctx context.Context, fn func(store.Tx) error) error {
	reader, err := s.borrow(ctx)
	if err != nil {
		return err
	}
	defer func() { s.readers <- reader }()

	t := &tx{dialect: &s.dialect, session: reader, now: s.clock.Now(), stopped: ctx.Err}
	if _, err := reader.exec(s.dialect.beginView); err != nil {
		return t.fail(err)
	}
	defer func() {
		t.end()
		// There is nothing to undo; this gives the snapshot back. After some errors the database has done so itself.
		_, _ = reader.exec("ROLLBACK")
	}()
	return fn(t)
}

// borrow waits for an idle read connection.
func (s *SQLite) borrow(ctx context.Context) (*sqliteSession, error) {
	select {
	case <-s.closing:
		return nil, errClosed()
	default:
	}
	select {
	case reader := <-s.readers:
		return reader, nil
	case <-s.closing:
		return nil, errClosed()
	case <-ctx.Done():
		return nil, access.Wrap(access.KindOf(ctx.Err()), ctx.Err(), "The wait for the store ended.")
	}
}

// Now implements store.Store.
func (s *SQLite) Now(context.Context) (time.Time, error) {
	select {
	case <-s.closing:
		return time.Time{}, errClosed()
	default:
		return s.clock.Now(), nil
	}
}

// Check reads the whole file beside the work, and fails when it is damaged. It is safe for concurrent use, and
// stops with ctx.
func (s *SQLite) Check(ctx context.Context) error { return s.check(ctx) }

// Stats is safe for concurrent use.
func (s *SQLite) Stats() Stats {
	w := s.writer
	return Stats{Transactions: w.transactions.Load(), Commits: w.commits.Load(), Replays: w.replays.Load(), BallastUp: w.ballast.up.Load()}
}

// Close implements store.Store. Closing again is harmless and answers the same.
func (s *SQLite) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.writer.close()
		for range cap(s.readers) {
			<-s.readers
		}
		s.closeErr = s.release()
	})
	return s.closeErr
}
