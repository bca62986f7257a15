package sqlstore

import (
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Ballast is space beside a store on SQLite that a file takes up, so that there is some to give up when the disk is full.
type Ballast struct {
	// Bytes is how much; zero is none.
	Bytes int64
	// CanWait says which transactions are refused from then on, so that the space is left to the others.
	CanWait func(store.TxName) bool
}

// ballastPause is how long the disk is held to be as full as it was when there was last no room for the ballast.
const ballastPause = time.Second

// ballast is the file. But for up, which anybody may read, it is used by the one who writes to the store.
type ballast struct {
	Ballast
	path string
	log  *slog.Logger
	// up is whether the file is not there, although it should be.
	up atomic.Bool
	// tried is when there was last no room for it, and pause how long it is not tried again.
	tried time.Time
	pause time.Duration
}

// openBallast makes the file, or takes the one that is there. Where there is no room the store opens all the same, and
// goes on as if the ballast had just been given up.
func openBallast(storePath string, o Options) *ballast {
	b := &ballast{Ballast: o.Ballast, path: storePath + ".ballast", log: o.Log, pause: ballastPause}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.Bytes == 0 {
		return b
	}
	_ = os.Remove(b.draft()) // of a process that was killed, if there is one: it takes room that is for others
	if info, err := os.Lstat(b.path); err == nil && info.Mode().IsRegular() && info.Size() == b.Bytes {
		return b
	}
	if err := b.make(b.Bytes); err != nil {
		b.log.Error("there is no room for the store's ballast: only what takes access back is written until there is",
			"file", b.path, "error", err)
		b.up.Store(true)
		b.tried = time.Now()
	}
	return b
}

// full reports whether the error is that of a disk without room.
func full(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
}

// giveUp makes room and reports whether it did.
func (b *ballast) giveUp(cause error) bool {
	if b.Bytes == 0 || b.up.Load() {
		return false
	}
	b.up.Store(true)
	b.tried = time.Now()
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.log.Error("the store's disk is full, and its ballast cannot be given up", "file", b.path, "error", err)
		return false
	}
	b.log.Error("the store's disk is full: its ballast was given up, and only what takes access back is written until there is room",
		"file", b.path, "error", cause)
	return true
}

// refuses reports whether the transaction is left out because the ballast is given up. If it could be, it is looked
// whether there is room again.
func (b *ballast) refuses(name store.TxName) bool {
	if !b.up.Load() || !b.CanWait(name) {
		return false
	}
	b.takeUp()
	return b.up.Load()
}

// takeUp makes the file again when there is room for as much once more: otherwise the next commits would give it up at
// once.
func (b *ballast) takeUp() {
	if time.Since(b.tried) < b.pause {
		return
	}
	b.tried = time.Now()
	if b.make(2*b.Bytes) != nil {
		return
	}
	b.up.Store(false)
	b.log.Info("the store's disk has room again: its ballast is back", "file", b.path)
}

// draft is the file's name until it is whole, so that where the ballast has its name it is there.
func (b *ballast) draft() string { return b.path + ".new" }

// make makes the file if there is room for that much, or leaves nothing.
func (b *ballast) make(room int64) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(b.draft()))
		}
	}()
	if err := fill(b.draft(), room); err != nil {
		return err
	}
	if err := os.Truncate(b.draft(), b.Bytes); err != nil {
		return err
	}
	return os.Rename(b.draft(), b.path)
}

// fill writes a file with that much of what no file system can make smaller, and makes it durable.
func fill(path string, size int64) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	noise := rand.NewChaCha8([32]byte{})
	piece := make([]byte, 1<<20)
	for left := size; left > 0; left -= int64(len(piece)) {
		piece = piece[:min(left, int64(len(piece)))]
		_, _ = noise.Read(piece) // never fails
		if _, err := file.Write(piece); err != nil {
			return err
		}
	}
	return file.Sync()
}

// errNoRoom is the answer to a transaction that can wait.
func errNoRoom() error {
	return access.Errorf(access.KindUnavailable,
		"The store's disk is full, and what room is left is kept for taking access back; free some space, then try again.")
}
