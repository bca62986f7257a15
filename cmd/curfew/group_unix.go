//go:build unix

package main

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// inGroup gives a command that is to be run a process group of its own, which is told to end when its context ends. The
// function that it returns kills whatever of it is left.
func inGroup(child *exec.Cmd) (kill func()) {
	child.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	signal := func(s unix.Signal) error {
		if child.Process == nil {
			return nil // it never ran
		}
		return unix.Kill(-child.Process.Pid, s)
	}
	child.Cancel = func() error { return signal(unix.SIGTERM) }
	return func() { _ = signal(unix.SIGKILL) } // mostly there is nobody left
}
