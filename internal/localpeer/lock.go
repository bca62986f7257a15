package localpeer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// fileLock is an exclusive lock among processes. The kernel lets go of it when its holder dies.
type fileLock struct{ file *os.File }

var errLocked = errors.New("locked by another process")

// tryLock takes the lock or returns errLocked.
func tryLock(path string) (fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fileLock{}, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fileLock{}, errLocked
		}
		return fileLock{}, fmt.Errorf("lock %s: %w", path, err)
	}
	return fileLock{file: f}, nil
}

// waitLock takes the lock as soon as it is free.
func waitLock(ctx context.Context, path string) (fileLock, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return fileLock{}, fmt.Errorf("wait for the lock %s: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}

// inPlace reports whether the locked file is still the one at its path.
func (l fileLock) inPlace() bool {
	locked, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.file.Name())
	return err == nil && os.SameFile(locked, there)
}

// unlock lets go. The file stays: removing it would let two processes hold "the" lock on two files.
func (l fileLock) unlock() { _ = l.file.Close() }
