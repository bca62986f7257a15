package localpeer

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that a Ctrl-C at the terminal reaches its starter
// alone, and lets the kernel send it SIGQUIT when its starter dies. To PostgreSQL SIGQUIT is an immediate shutdown, in
// which it takes its children and its shared memory with it; SIGKILL would leave both.
func sysProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT, Credential: as}
}
