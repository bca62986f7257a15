package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// maxBatch bounds the members of one commit, and with it the time for which the first of them waits.
	maxBatch = 256
	// queueLength bounds the members that wait; whoever comes later waits for a place.
	queueLength = 1024
)

// writer is the one goroutine that writes to a database with a single writer. A durable commit costs one fsync however
// much it holds, so everything that queued up while the last commit was under way becomes one commit. It never waits
// for company: alone, a member is committed at once.
//
// Members of a commit run one after the other, and an error undoes its own member only: when one fails that has written
// already, which is rare, the members run again, each within a savepoint. If the commit as a whole fails, or a member
// panics, they are replayed one by one, so that none suffers from another. Answers are given after the commit.
type writer struct {
	dialect *dialect
	session *sqliteSession
	clock   *clock
	ballast *ballast
	// numbers says that events are numbered in the commit that they come with.
	numbers bool

	queue chan *member
	// mu is read-locked to enqueue and locked to close the queue, so that nobody sends on a closed channel.
	mu      sync.RWMutex
	closed  bool
	stopped chan struct{}

	transactions, commits, replays atomic.Int64
}

// startWriter takes the session over until close has returned.
func startWriter(d *dialect, s *sqliteSession, c *clock, b *ballast, numbers bool) *writer {
	w := &writer{
		dialect: d, session: s, clock: c, ballast: b, numbers: numbers,
		queue: make(chan *member, queueLength), stopped: make(chan struct{}),
	}
	go func() {
		defer close(w.stopped)
		for first := range w.queue {
			w.settle(w.gather(first))
		}
	}()
	return w
}

// submit waits for the member's answer, or for the end of ctx.
func (w *writer) submit(ctx context.Context, m *member) error {
	if err := w.enqueue(ctx, m); err != nil {
		return err
	}
	return m.await(ctx)
}

func (w *writer) enqueue(ctx context.Context, m *member) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed()
	}
	if ctx.Err() != nil {
		return notWritten(ctx.Err())
	}
	select {
	case w.queue <- m:
		return nil
	case <-ctx.Done():
		return notWritten(ctx.Err())
	}
}

// close waits for what is queued.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.stopped
}

// gather takes what is queued behind first.
func (w *writer) gather(first *member) []*member {
	var batch []*member
	for m := first; m != nil; m = w.next() {
		if m.take() {
			batch = append(batch, m)
		}
		if len(batch) == maxBatch {
			break
		}
	}
	return batch
}

// next is nil when nothing is queued.
func (w *writer) next() *member {
	select {
	case m := <-w.queue:
		return m
	default:
		return nil
	}
}

// settle commits the members and gives each its answer.
func (w *writer) settle(batch []*member) {
	batch = w.admit(batch)
	answers, err := w.attempt(batch, w.run)
	if errors.Is(err, errHalfWritten) {
		answers, err = w.attempt(batch, w.runSaved)
	}
	switch {
	case full(err) && w.ballast.giveUp(err):
		w.settle(batch)
	case err == nil:
		w.transactions.Add(int64(len(batch)))
		for i, m := range batch {
			m.answer <- answers[i]
		}
	case len(batch) == 1:
		batch[0].answer <- err
	default:
		for i := range batch {
			w.replays.Add(1)
			w.settle(batch[i : i+1])
		}
	}
}

// errHalfWritten is the end of an attempt in which a member failed after it had written.
var errHalfWritten = errors.New("a member failed after it had written")

// admit answers those that can wait while there is little room, and returns the others.
func (w *writer) admit(batch []*member) []*member {
	return slices.DeleteFunc(batch, func(m *member) bool {
		refused := w.ballast.refuses(m.name)
		if refused {
			m.answer <- errNoRoom()
		}
		return refused
	})
}

// attempt runs the members in one transaction. After an error nothing of any of them is written.
func (w *writer) attempt(batch []*member, run runner) ([]error, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	if err := w.control(w.dialect.beginUpdate); err != nil {
		return nil, err
	}
	answers, err := w.runAll(batch, run)
	if err == nil {
		err = w.control("COMMIT")
	}
	if err != nil {
		// After some errors (a full disk) the database has rolled back by itself and refuses this one, which is as
		// good.
		_, _ = w.session.exec("ROLLBACK")
		return nil, err
	}
	w.commits.Add(1)
	return answers, nil
}

// runner runs one member. The answer is the member's own; an error is the end of the whole transaction.
type runner func(m *member, t *tx) (answer, err error)

func (w *writer) runAll(batch []*member, run runner) ([]error, error) {
	now := w.clock.Now()
	answers := make([]error, len(batch))
	var appended map[access.TenantID]int
	if w.numbers {
		appended = map[access.TenantID]int{}
	}
	begin := func() *tx {
		return &tx{
			dialect: w.dialect, session: w.session, now: now, writable: true, stopped: context.Background().Err, appended: appended,
		}
	}
	for i, m := range batch {
		var err error
		if answers[i], err = run(m, begin()); err != nil {
			return nil, err
		}
	}
	return answers, numberEvents(begin(), appended)
}

// numberEvents numbers as many events of each tenant as were appended: those, unless older ones have no number yet.
func numberEvents(t *tx, appended map[access.TenantID]int) error {
	for tenant, n := range appended {
		for n > 0 {
			numbered, err := t.Events().Sequence(tenant, n)
			if err != nil {
				return err
			}
			if numbered == 0 {
				break // their member failed, and took them back
			}
			n -= numbered
		}
	}
	return nil
}

// run is the runner for members of which none fails after it has written.
func (w *writer) run(m *member, t *tx) (answer, err error) {
	answer = m.call(t)
	broken := t.broken
	t.end()
	var p *panicError
	switch {
	case errors.As(answer, &p):
		return nil, answer
	case broken != nil && mayHaveRolledBack(broken):
		return nil, broken
	}
	if answer == nil {
		answer = broken
	}
	if answer != nil && t.wrote {
		return answer, errHalfWritten
	}
	return answer, nil
}

// runSaved is the runner that undoes what a member wrote before it failed.
func (w *writer) runSaved(m *member, t *tx) (answer, err error) {
	if err := w.control("SAVEPOINT member"); err != nil {
		return nil, err
	}
	answer, err = w.run(m, t)
	if errors.Is(err, errHalfWritten) {
		err = w.control("ROLLBACK TO SAVEPOINT member")
	}
	if err != nil {
		return nil, err
	}
	return answer, w.control("RELEASE SAVEPOINT member")
}

// mayHaveRolledBack reports whether the error is one after which SQLite may have undone the whole transaction, the other
// members' part included. A violated constraint undoes its statement only.
func mayHaveRolledBack(err error) bool {
	kind := access.KindOf(err)
	return kind == access.KindUnavailable || kind == access.KindInternal
}

// control runs a statement that steers the transaction.
func (w *writer) control(text string) error {
	if _, err := w.session.exec(text); err != nil {
		kind, message := w.dialect.classify(err)
		return access.Wrap(kind, err, message)
	}
	return nil
}
