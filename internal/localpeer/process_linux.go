package localpeer

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that a Ctrl-C at the terminal reaches its starter
// alone, and lets the kernel send it the signal when its starter dies.
func sysProcAttr(as *syscall.Credential, orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned, Credential: as}
}
