//go:build unix

package server

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/net/netutil"
)

// limitCallers lets callers have half of the files that this process may open. The others are for the store and the
// targets, so that no number of callers keeps access from being taken back; who comes later waits.
func limitCallers(l net.Listener) (net.Listener, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return l, fmt.Errorf("how many files this process may open: %w", err)
	}
	// A limit that is none is larger than any number of callers.
	half := min(uint64(files.Cur)/2, 1<<20) //nolint:unconvert // signed on some systems
	return netutil.LimitListener(l, int(max(1, half))), nil
}
