package localpeer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a server that has been started.
type process struct {
	cmd *exec.Cmd
	// exited is closed when the process has ended and was waited for.
	exited chan struct{}
}

// startProcess starts cmd and waits for its end in the background.
//
// The kernel sends the signal of Pdeathsig when the *thread* that started the process ends, not the program. Go ends a
// thread when a goroutine that is locked to it ends, whoever ran on that thread before. So one goroutine keeps one thread
// for itself from the start of the process to its end.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is told by ProcessState
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// signal sends a signal to this process alone. A process that has ended is no error.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to process %d: %w", s, p.cmd.Process.Pid, err)
	}
	return nil
}

// stop sends the polite signal, then SIGKILL when patience has run out, and returns when the process has ended.
func (p *process) stop(polite syscall.Signal, patience time.Duration) error {
	if err := p.signal(polite); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}
