package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// acquireLimit bounds the wait for a free connection, attemptLimit the life of one transaction on it, or the wait for
	// the time.
	acquireLimit = 15 * time.Second
	attemptLimit = 30 * time.Second
	// maxAttempts bounds how often a transaction is tried that others overtake, or whose connection breaks.
	maxAttempts = 30
	// firstPause and longestPause bound the pause before a transaction is tried again.
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
	// farewell bounds what is said to a server at the end of a transaction that nobody waits for.
	farewell = 5 * time.Second
)

// Postgres is a store in a PostgreSQL database, which it shares with any number of other processes.
type Postgres struct {
	dialect dialect
	clock   *serverClock
	pool    *pgxpool.Pool
	// limit is attemptLimit.
	limit time.Duration

	// mu is read-locked to begin and locked to close, so that nothing begins on a closed store.
	mu     sync.RWMutex
	closed bool
	work   sync.WaitGroup

	transactions, commits, replays atomic.Int64
}

var _ store.Store = (*Postgres)(nil)

// Update implements store.Store.
func (s *Postgres) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	if !s.enter() {
		return errClosed()
	}
	m := newMember(name, fn)
	go func() {
		defer s.work.Done()
		m.answer <- s.settle(ctx, m)
	}()
	return m.await(ctx)
}

// enter reports whether the store is open; if so, the caller ends with work.Done.
func (s *Postgres) enter() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}

// settle tries the member until it is committed, has failed by itself, or has been tried often enough.
func (s *Postgres) settle(ctx context.Context, m *member) error {
	for try := 1; ; try++ {
		err := s.attempt(ctx, m, try == 1)
		again, ok := errors.AsType[*tryAgain](err)
		if !ok {
			return err
		}
		if try == maxAttempts {
			return again.err
		}
		s.replays.Add(1)
		if !pause(ctx, try) {
			return notWritten(ctx.Err())
		}
	}
}

// tryAgain is the end of an attempt that left no trace, and may well succeed when it is made again.
type tryAgain struct{ err error }

// Error is that of the attempt.
func (e *tryAgain) Error() string { return e.err.Error() }

// pause waits before the next attempt, longer each time, and by chance so that those who met do not meet again. It
// reports whether ctx still lasts.
func pause(ctx context.Context, try int) bool {
	longest := min(longestPause, firstPause<<min(try, 10))
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // chance, not secrecy
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt runs the member once, in a transaction of its own. Once it has begun, the end of ctx does not stop it.
func (s *Postgres) attempt(ctx context.Context, m *member, first bool) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if first && !m.take() {
		return notWritten(ctx.Err())
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limit)
	defer cancel()
	now, err := s.readClock(work, conn.Conn(), s.dialect.beginUpdate)
	if err != nil {
		return s.failed(work, conn.Conn(), err)
	}
	t := &tx{
		dialect: &s.dialect, session: postgresSession{work, conn.Conn()}, now: now, writable: true,
		stopped: context.Background().Err,
	}
	answer := m.call(t)
	broken := t.broken
	t.end()
	if broken != nil && (overtaken(broken) || conn.Conn().IsClosed()) {
		return s.failed(work, conn.Conn(), broken)
	}
	if answer == nil {
		answer = broken
	}
	if answer != nil {
		s.transactions.Add(1)
		rollBack(ctx, conn.Conn())
		return answer
	}
	return s.commit(work, conn.Conn())
}

// acquire waits for a connection, in vain while the server is away. The error is that of the caller's context when that
// is what has ended.
func (s *Postgres) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, acquireLimit)
	defer cancel()
	conn, err := s.pool.Acquire(waiting)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, access.Wrap(access.KindOf(ctx.Err()), ctx.Err(), "The wait for a connection to the store ended.")
	case errors.Is(err, context.DeadlineExceeded) && waiting.Err() != nil:
		return nil, access.Wrap(access.KindUnavailable, err, "No connection to the store became free in time; try again.")
	}
	return nil, s.classified(err)
}

// readClock runs the text, the last statement of which reads the server's clock, in one round trip.
func (s *Postgres) readClock(ctx context.Context, conn *pgx.Conn, text string) (time.Time, error) {
	results, err := conn.PgConn().Exec(ctx, text).ReadAll()
	if err != nil {
		return time.Time{}, s.classified(err)
	}
	us, err := strconv.ParseInt(string(results[len(results)-1].Rows[0][0]), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the server's clock: %w", err)
	}
	return s.clock.follow(us, time.Now()), nil
}

// classified gives an error its kind, unless it has one.
func (s *Postgres) classified(err error) error {
	if _, ok := errors.AsType[*access.Error](err); ok {
		return err
	}
	kind, message := s.dialect.classify(err)
	return access.Wrap(kind, err, message)
}

// failed is the end of an attempt that was not being committed: nothing of it is written. One that took all its time is
// not made again: whatever it met with, it would meet again.
func (s *Postgres) failed(ctx context.Context, conn *pgx.Conn, err error) error {
	switch {
	case conn.IsClosed():
		// The other connections have most likely died with this one; each would fail one more transaction.
		s.pool.Reset()
	case overtaken(err):
		rollBack(ctx, conn)
	default:
		return err
	}
	if ctx.Err() != nil {
		return err
	}
	return &tryAgain{err}
}

// commit ends the transaction. When the connection breaks meanwhile nobody knows whether the word arrived: pgx may call
// such an error safe to retry (a read that finds the connection closed is), and it is not.
func (s *Postgres) commit(ctx context.Context, conn *pgx.Conn) error {
	tag, err := conn.Exec(ctx, "COMMIT")
	switch {
	case err == nil && tag.String() == "COMMIT":
		s.transactions.Add(1)
		s.commits.Add(1)
		return nil
	case err == nil:
		return access.Errorf(access.KindInternal, "the server answered COMMIT with %s; nothing was written", tag)
	case conn.IsClosed():
		s.pool.Reset()
		return outcomeUnknown(access.KindUnavailable, err)
	default:
		return s.failed(ctx, conn, s.classified(err))
	}
}

// rollBack ends a transaction of which nothing is kept. A connection on which that fails is thrown away by the pool, and
// the server undoes it then.
func rollBack(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK")
}

// View implements store.Store. A cancelled ctx interrupts it.
func (s *Postgres) View(ctx context.Context, fn func(store.Tx) error) error {
	if !s.enter() {
		return errClosed()
	}
	defer s.work.Done()
	work, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	conn, now, err := s.ask(work, s.dialect.beginView)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer rollBack(ctx, conn.Conn())
	t := &tx{dialect: &s.dialect, session: postgresSession{work, conn.Conn()}, now: now, stopped: ctx.Err}
	defer t.end()
	return fn(t)
}

// Now implements store.Store.
func (s *Postgres) Now(ctx context.Context) (time.Time, error) {
	if !s.enter() {
		return time.Time{}, errClosed()
	}
	defer s.work.Done()
	// A server that does not answer would otherwise hold whoever asks for as long as the connection stands.
	work, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	conn, now, err := s.ask(work, postgresNow)
	if err != nil {
		return time.Time{}, err
	}
	conn.Release()
	return now, nil
}

// ask runs a text that ends in reading the clock on a connection, which the caller gets. Connections that died while
// they were idle are passed over.
func (s *Postgres) ask(ctx context.Context, text string) (*pgxpool.Conn, time.Time, error) {
	for try := 1; ; try++ {
		conn, err := s.acquire(ctx)
		if err != nil {
			return nil, time.Time{}, err
		}
		now, err := s.readClock(ctx, conn.Conn(), text)
		if err == nil {
			return conn, now, nil
		}
		err = s.failed(ctx, conn.Conn(), err)
		conn.Release()
		again, ok := errors.AsType[*tryAgain](err)
		switch {
		case !ok:
			return nil, time.Time{}, err
		case try == maxAttempts:
			return nil, time.Time{}, again.err
		}
	}
}

// Stats is safe for concurrent use.
func (s *Postgres) Stats() Stats {
	return Stats{Transactions: s.transactions.Load(), Commits: s.commits.Load(), Replays: s.replays.Load()}
}

// Close implements store.Store. Closing again is harmless.
func (s *Postgres) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	s.pool.Close()
	return nil
}
