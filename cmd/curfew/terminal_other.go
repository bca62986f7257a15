//go:build !unix

package main

import "os"

// sentByTerminal reports whether our child has the signal already, as everything in a console has an interrupt there.
func sentByTerminal(s os.Signal) bool { return s == os.Interrupt }
