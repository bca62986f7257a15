package sqlstore

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// member is one caller's transaction among those of a commit.
type member struct {
	name store.TxName
	fn   func(store.Tx) error
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

// call runs the function on a goroutine of its own, so that neither a panic nor runtime.Goexit (a test's FailNow) ends
// the writer.
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

// Error is for logs: the value and where it came from.
func (e *panicError) Error() string {
	return fmt.Sprintf("transaction %s panicked: %v\n%s", e.name, e.value, e.stack)
}
