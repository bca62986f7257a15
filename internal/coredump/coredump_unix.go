//go:build unix

package coredump

import (
	"fmt"
	"syscall"
)

// Disable has the kernel write no core dump of this process. On Linux it also keeps debuggers of the same user away from
// it. Programs that it starts may be dumped again, if they ask for that: only the soft limit is inherited.
func Disable() error {
	if err := forbid(); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("reading how large a core dump may be (RLIMIT_CORE): %w", err)
	}
	limit.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("turning core dumps off (RLIMIT_CORE): %w", err)
	}
	return nil
}
