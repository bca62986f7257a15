package localpeer

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that a Ctrl-C at the terminal reaches its starter
// alone, and lets the kernel end it when its starter dies.
func sysProcAttr(r recipe) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: r.abrupt, Credential: r.account}
	if r.ownNetwork {
		a.Cloneflags = syscall.CLONE_NEWNET
	}
	return a
}
