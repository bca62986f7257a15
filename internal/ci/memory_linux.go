package main

import (
	"fmt"
	"os"
	"syscall"
)

// Where Linux keeps files in memory, and how much room must be there: containers often have a few megabytes.
const (
	memory     = "/dev/shm"
	memoryRoom = 4 << 30
)

// temporary makes a folder in memory for the temporary files of tests; empty is where there is none to spare. Stores and
// servers of tests would wait for the disk at each commit. None of them has to outlive the machine: what dies in tests is
// a process.
func temporary() (folder string, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil {
		return "", nil //nolint:nilerr // this Linux has none
	}
	if fs.Bavail*uint64(fs.Bsize) < memoryRoom || fs.Flags&syscall.MS_NOEXEC != 0 {
		return "", nil
	}
	if folder, err = os.MkdirTemp(memory, "curfew-test-"); err != nil {
		return "", fmt.Errorf("a folder for temporary files: %w", err)
	}
	return folder, os.Chmod(folder, 0o711) // PostgreSQL has an account of its own
}
