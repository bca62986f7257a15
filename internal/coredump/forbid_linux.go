package coredump

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// forbid makes the process one that is not dumped, whatever its limits: a core_pattern that pipes dumps into a program
// takes no notice of RLIMIT_CORE.
func forbid() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("turning core dumps off (PR_SET_DUMPABLE); whatever confines this process must allow it: %w", err)
	}
	return nil
}
