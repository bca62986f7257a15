//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/curfewhq/curfew/internal/access"
)

// lockFile takes an exclusive lock on a file beside the store and writes our process number into it. The lock belongs
// to the open file, so the kernel gives it back when the process dies, however it dies: a file that was left behind is
// no lock.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, access.Wrap(access.KindMisconfigured, err,
			fmt.Sprintf("the store's lock %q cannot be opened: this account must own the folder", path))
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := lockHolder(file)
		return nil, errors.Join(access.Errorf(access.KindUnavailable,
			"the store is open in another process%s (lock %q): stop that one first", holder, path), file.Close())
	}
	if err == nil {
		err = errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n"))
	}
	if err != nil {
		return nil, errors.Join(access.Wrap(access.KindMisconfigured, err,
			fmt.Sprintf("the store's lock %q cannot be taken", path)), file.Close())
	}
	return file, nil
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// lockHolder names the process that wrote its number, if it is there to be read.
func lockHolder(file *os.File) string {
	b := make([]byte, 20)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", number %d", pid)
}
