//go:build unix && !linux

package localpeer

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that a Ctrl-C at the terminal reaches its starter
// alone.
func sysProcAttr(r recipe) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: r.account}
}
