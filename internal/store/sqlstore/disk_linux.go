package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/curfewhq/curfew/internal/access"
)

// errReadOnlyDisk is the cause of an outcome that is unknown.
var errReadOnlyDisk = errors.New("the file system has turned read-only")

// synced fails when the file system of the file has turned read-only. ext4 does so when it finds an error, and from then on
// answers fsync with success and keeps nothing: so whoever relies on an fsync asks afterwards.
func synced(file *os.File) error {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(file.Fd()), &fs); err != nil {
		return outcomeUnknown(access.KindUnavailable, fmt.Errorf("fstatfs: %w", err))
	}
	if fs.Flags&syscall.MS_RDONLY != 0 {
		return outcomeUnknown(access.KindUnavailable, errReadOnlyDisk)
	}
	return nil
}
