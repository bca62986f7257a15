// Package memstore keeps the books in memory: a store for simulations, which want a hundred thousand short lives and
// have no use for what outlives the process. It obeys the law of package storetest.
//
// It owns the copying of tables on the first write of a transaction, by which a view is a snapshot and an error undoes
// everything. It owns nothing durable, and programs do not link it.
package memstore

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// installationID is what Installation.ID answers: a store in memory is never taken for another.
const installationID = "00000000000000000000000000000000"

// Store implements store.Store in memory.
type Store struct {
	clock access.Clock
	// writing is held by the one transaction that may write.
	writing sync.Mutex

	mu sync.Mutex
	// now is the latest moment that was told; the clock never goes back behind it.
	now time.Time
	// books is what was committed last. What it holds is never changed, only replaced.
	books  books
	closed bool
}

var _ store.Store = (*Store)(nil)

// New makes an empty store with the clock.
func New(clock access.Clock) *Store { return &Store{clock: clock} }

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	t.writable = true
	defer t.end()
	if err := call(name, fn, t); err != nil {
		return err
	}
	if t.broken != nil {
		return t.broken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books = t.books
	return nil
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer t.end()
	return fn(t)
}

// Now implements store.Store.
func (s *Store) Now(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tell()
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.writing.Lock() // waits for what is under way
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// begin makes a transaction on the books as they are.
func (s *Store) begin(ctx context.Context) (*tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, access.Wrap(access.KindOf(err), err, "The wait ended before this was settled; nothing was written.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.tell()
	return &tx{books: s.books, now: now}, err
}

// tell is the time. The caller holds mu.
func (s *Store) tell() (time.Time, error) {
	if s.closed {
		return time.Time{}, access.Errorf(access.KindUnavailable, "The store is closed; the server is stopping.")
	}
	if reading := s.clock.Now().UTC().Truncate(time.Microsecond).Round(0); reading.After(s.now) {
		s.now = reading
	}
	return s.now, nil
}

// call runs the function on a goroutine of its own, so that runtime.Goexit (a test's FailNow) does not end the caller's.
func call(name store.TxName, fn func(store.Tx) error, t *tx) error {
	result := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if !returned {
				cause := fmt.Errorf("transaction %s panicked: %v\n%s", name, recover(), debug.Stack())
				result <- access.Wrap(access.KindInternal, cause, "Something went wrong inside Curfew; nothing was written.")
			}
		}()
		err := fn(t)
		returned = true
		result <- err
	}()
	return <-result
}
