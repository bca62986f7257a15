package sqlstore

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// member is one caller's transaction: on SQLite one among those of a commit.
type member struct {
	name store.TxName
	fn   func(store.Tx) error
	// background says that nobody waits for it who would notice.
	background bool
	// taken is set once: by the writer, which then runs the member, or by the caller, who then has withdrawn it.
	taken  atomic.Bool
	answer chan error
}

// newMember makes the answer wait for its reader, so that a caller who has left does not hold the writer up.
func newMember(name store.TxName, fn func(store.Tx) error) *member {
	return &member{name: name, fn: fn, answer: make(chan error, 1)}
}

// take reports whether the caller of take is the first, and the member is theirs.
func (m *member) take() bool { return m.taken.CompareAndSwap(false, true) }

// await waits for the answer, or for the end of ctx.
func (m *member) await(ctx context.Context) error {
	select {
	case err := <-m.answer:
		return err
	case <-ctx.Done():
	}
	if m.take() {
		return notWritten(ctx.Err())
	}
	select {
	case err := <-m.answer:
		return err
	default:
		return outcomeUnknown(access.KindOf(ctx.Err()), ctx.Err())
	}
}

func notWritten(cause error) error {
	return access.Wrap(access.KindOf(cause), cause, "The wait ended before this was settled; nothing was written.")
}

// outcomeUnknown is the answer when nobody can say whether the transaction was committed.
func outcomeUnknown(kind access.Kind, cause error) error {
	return access.Wrap(kind, fmt.Errorf("%w: %w", store.ErrOutcomeUnknown, cause),
		"The answer to this was lost while it was being written; whether it was is unknown, so look before trying again.")
}

// errClosed is the answer of a closed store.
func errClosed() error {
	return access.Errorf(access.KindUnavailable, "The store is closed; the server is stopping.")
}

// call runs the function on a goroutine of its own, so that neither a panic nor runtime.Goexit (a test's FailNow) ends
// the one who runs it.
func (m *member) call(t store.Tx) error {
	result := make(chan error, 1)
	go func() {
		returned := false
		defer func() {
			if !returned {
				p := &panicError{name: m.name, value: recover(), stack: debug.Stack()}
				result <- access.Wrap(access.KindInternal, p,
					"Something went wrong inside Curfew; nothing was written, and the server's log has the detail.")
			}
		}()
		err := m.fn(t)
		returned = true
		result <- err
	}()
	return <-result
}

// panicError is a transaction's function that did not return.
type panicError struct {
	name  store.TxName
	value any
	stack []byte
}

// Error is for logs: what may be told of the value, and where it came from.
func (e *panicError) Error() string {
	return fmt.Sprintf("transaction %s panicked: %s\n%s", e.name, secret.DescribePanic(e.value), e.stack)
}
