//go:build unix

package server

import (
	"os"
	"syscall"
)

// sameDevice reports whether two folders are on one file system; not, where one of them cannot be looked at.
func sameDevice(one, other string) bool {
	a, errA := os.Stat(one)
	b, errB := os.Stat(other)
	if errA != nil || errB != nil {
		return false
	}
	statA, okA := a.Sys().(*syscall.Stat_t)
	statB, okB := b.Sys().(*syscall.Stat_t)
	return okA && okB && statA.Dev == statB.Dev
}
