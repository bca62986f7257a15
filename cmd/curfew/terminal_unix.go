//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// sentByTerminal reports whether a signal is one that our terminal sends, when a key is pressed, to everybody in the
// foreground, and so to our child as well. Somebody who sends the same signal to us alone cannot be told from it.
func sentByTerminal(s os.Signal) bool {
	if s != unix.SIGINT && s != unix.SIGQUIT {
		return false
	}
	terminal, err := os.Open("/dev/tty") // there is none for who has no terminal
	if err != nil {
		return false
	}
	defer terminal.Close()
	foreground, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}
