//go:build unix && !linux

package localpeer

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that a Ctrl-C at the terminal reaches its starter
// alone.
func sysProcAttr(as *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}
