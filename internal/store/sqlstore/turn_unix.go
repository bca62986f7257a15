//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// turnPoll is how often somebody asks whose turn it is.
	turnPoll = time.Millisecond
	// yieldLimit bounds how long the process that has the store waits for one beside it, which may have been stopped in its
	// turn.
	yieldLimit = 2 * time.Second
	// besideLimit bounds how long a process beside it waits for others of its kind.
	besideLimit = 30 * time.Second
)

// turn lets a process beside the one that has the store come to write. SQLite has who finds the database locked ask again
// from time to time, in no order, and under load there is hardly a moment between two commits of the other: the one beside
// could ask for ever. So it takes a lock on a file of its own for the time in which it wants to write and writes, and the
// other begins no commit meanwhile.
type turn struct {
	file *os.File
	// beside says that this process takes turns; the other one yields.
	beside bool
	// ignored says that a turn has lasted too long, and is not waited for until it has ended.
	ignored bool
}

// openTurn opens the file of turns, which stays, as that of the lock does.
func openTurn(path string, beside bool) (*turn, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("%q cannot be opened: this account must own the folder of the store", path))
	}
	return &turn{file: file, beside: beside}, nil
}

func (t *turn) close() error { return t.file.Close() }

// begin waits until this process may write. done is called when it has.
func (t *turn) begin() (done func(), err error) {
	if !t.beside {
		return func() {}, t.yield()
	}
	free, err := t.wait(syscall.LOCK_EX, besideLimit)
	if err == nil && !free {
		err = access.Errorf(access.KindUnavailable, "Other programs beside the server have been writing to the store for %s; try again.", besideLimit)
	}
	return t.free, err
}

// yield waits while somebody beside has a turn, but not for ever.
func (t *turn) yield() error {
	limit := yieldLimit
	if t.ignored {
		limit = 0
	}
	free, err := t.wait(syscall.LOCK_SH, limit)
	if free {
		t.free()
	}
	t.ignored = !free
	return err
}

// wait asks for the lock until it is there or the limit has passed.
func (t *turn) wait(how int, limit time.Duration) (taken bool, err error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(turnPoll) {
		err := syscall.Flock(int(t.file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return false, access.Wrap(access.KindUnavailable, err, "Whose turn it is to write to the store cannot be asked.")
		case !time.Now().Before(deadline):
			return false, nil
		}
	}
}

// free gives the turn back. It cannot fail in a way that matters: the lock is gone with the process at the latest.
func (t *turn) free() { _ = syscall.Flock(int(t.file.Fd()), syscall.LOCK_UN) }
