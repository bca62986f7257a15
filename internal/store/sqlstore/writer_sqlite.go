package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// writer is the one goroutine that writes to a database with a single writer. A durable commit costs one fsync however
// much it holds, so everything that queued up while the last commit was under way becomes one commit. It never waits
// for company: alone, a member is committed at once.
//
// Members of a commit run one after the other, and an error undoes its own member only: when one fails that has written
// already, which is rare, the members run again, each within a savepoint. If the commit as a whole fails, or a member
// panics, they are replayed one by one, so that none suffers from another. Answers are given after the commit.
//
// What is done in the background joins a commit while nobody waits for it to end.
type writer struct {
	dialect *dialect
	session *sqliteSession
	clock   *clock
	ballast *ballast
	// numbers says that events are numbered in the commit that they come with.
	numbers bool
	// synced fails when a commit that was answered with success may not have been kept.
	synced func() error
	turn   *turn

	scrub scrub
	queue queue
	// mu is read-locked to enqueue and locked to close the queue, so that nobody sends on a closed channel.
	mu      sync.RWMutex
	closed  bool
	stopped chan struct{}

	transactions, commits, replays atomic.Int64
}

// start takes the session over until close has returned.
func (w *writer) start() {
	w.queue, w.stopped = newQueue(), make(chan struct{})
	go func() {
		defer close(w.stopped)
		for first := w.queue.first(); first != nil; first = w.queue.first() {
			w.settle(w.admit(w.queue.gather(first)), w.spare)
		}
	}()
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
	case w.queue.line(m) <- m:
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
		w.queue.close()
	}
	w.mu.Unlock()
	<-w.stopped
}

// spare is one more member for a commit under way, or nil.
func (w *writer) spare(batch []*member) *member {
	for {
		m := w.queue.spare(batch)
		if m == nil || len(w.admit([]*member{m})) > 0 {
			return m
		}
	}
}

// alone adds nobody to a commit.
func alone([]*member) *member { return nil }

// settle commits the members, and whom more adds while it does, and gives each its answer.
func (w *writer) settle(batch []*member, more func([]*member) *member) {
	batch, answers, err := w.attempt(batch, w.run, more)
	if errors.Is(err, errHalfWritten) {
		batch, answers, err = w.attempt(batch, w.runSaved, alone)
	}
	switch {
	case full(err) && w.ballast.giveUp(err):
		w.settle(w.admit(batch), alone)
	case err == nil:
		w.transactions.Add(int64(len(batch)))
		for i, m := range batch {
			m.answer <- answers[i]
		}
	case errors.Is(err, store.ErrOutcomeUnknown):
		for _, m := range batch {
			m.answer <- err
		}
	case len(batch) == 1:
		batch[0].answer <- err
	default:
		for i := range batch {
			w.replays.Add(1)
			w.settle(w.admit(batch[i:i+1:i+1]), alone)
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

// attempt runs the members, and whom more adds, in one transaction, and returns them all. After an error nothing of any of
// them is written, unless it is store.ErrOutcomeUnknown.
func (w *writer) attempt(batch []*member, run runner, more func([]*member) *member) ([]*member, []error, error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	done, err := w.turn.begin()
	if err != nil {
		return batch, nil, err
	}
	defer done()
	if err := w.control(w.dialect.beginUpdate); err != nil {
		return batch, nil, err
	}
	batch, answers, err := w.runAll(batch, run, more)
	if err == nil {
		err = w.control("COMMIT")
	}
	if err != nil {
		// After some errors (a full disk) the database has rolled back by itself and refuses this one, which is as
		// good.
		_, _ = w.session.exec("ROLLBACK")
		return batch, nil, err
	}
	w.commits.Add(1)
	w.scrub.run(w.session)
	return batch, answers, w.synced()
}

// runner runs one member. The answer is the member's own; an error is the end of the whole transaction.
type runner func(m *member, t *tx) (answer, err error)

func (w *writer) runAll(batch []*member, run runner, more func([]*member) *member) ([]*member, []error, error) {
	now := w.clock.Now()
	answers := make([]error, 0, len(batch))
	var numbers *numbering
	if w.numbers {
		numbers = newNumbering()
	}
	begin := func() *tx {
		return &tx{
			dialect: w.dialect, session: w.session, now: now, writable: true, stopped: context.Background().Err, numbering: numbers,
		}
	}
	for i := 0; i < len(batch); i++ {
		t := begin()
		answer, err := run(batch[i], t)
		w.scrub.note(t)
		if err != nil {
			return batch, nil, err
		}
		answers = append(answers, answer)
		if i == len(batch)-1 {
			if m := more(batch); m != nil {
				batch = append(batch, m)
			}
		}
	}
	return batch, answers, numbers.finish(begin())
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
	before := t.numbering.clone()
	answer, err = w.run(m, t)
	if errors.Is(err, errHalfWritten) {
		t.numbering.rollBack(before)
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
