package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Store implements store.Store on an SQL database.
type Store struct {
	dialect dialect
	clock   *clock
	writer  *writer
	// readers holds the idle read connections.
	readers chan *session
	closing chan struct{}
	// release gives back what was opened, when nothing uses it any more.
	release func() error

	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// Stats counts what a store has done since it was opened.
type Stats struct {
	// Transactions is how many calls of Update were settled by a commit, those that answered with an error of their
	// own included.
	Transactions int64
	// Commits is how many commits they took.
	Commits int64
	// Replays is how many transactions ran again alone, because a commit that they shared failed.
	Replays int64
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	return s.writer.submit(ctx, newMember(name, fn))
}

// View implements store.Store. Once fn has begun, a cancelled ctx takes effect before its next statement.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
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
func (s *Store) borrow(ctx context.Context) (*session, error) {
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
func (s *Store) Now(context.Context) (time.Time, error) {
	select {
	case <-s.closing:
		return time.Time{}, errClosed()
	default:
		return s.clock.Now(), nil
	}
}

// Stats is safe for concurrent use.
func (s *Store) Stats() Stats {
	w := s.writer
	return Stats{Transactions: w.transactions.Load(), Commits: w.commits.Load(), Replays: w.replays.Load()}
}

// Close implements store.Store. Closing again is harmless and answers the same.
func (s *Store) Close() error {
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
