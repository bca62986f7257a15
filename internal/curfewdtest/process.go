package curfewdtest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

// Process is curfewd as a child of a test. Its methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	log   syncbuf.Buffer
	addr  string
	// ended is closed when it has, killed says how.
	ended  chan struct{}
	killed bool
}

// ProcessOptions say how to start a child.
type ProcessOptions struct {
	// Env is added to the environment.
	Env []string
	// Run starts the command; nil is its own Start. A child that shall live in other namespaces is started by a thread
	// that is there.
	Run func(*exec.Cmd) error
}

// Start starts a child and waits until it says where it listens, or has died. It is stopped at the end of the test.
func Start(t testing.TB, configPath string, o ProcessOptions) *Process {
	t.Helper()
	// It outlives the test's context, to be stopped in peace.
	p := &Process{cmd: exec.CommandContext(context.Background(), os.Args[0]), ended: make(chan struct{})} //nolint:gosec // this very program
	p.cmd.Env = append(append(os.Environ(), envConfig+"="+configPath), o.Env...)
	p.cmd.Stderr = &p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run := o.Run
	if run == nil {
		run = (*exec.Cmd).Start
	}
	if err := run(p.cmd); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	p.addr = strings.TrimSpace(line)
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
		status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		p.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}()
	t.Cleanup(p.Stop)
	return p
}

// Addr is where it listens; empty when it died before it did.
func (p *Process) Addr() string { return p.addr }

// PID is its process number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what it has written so far, a line of JSON an event.
func (p *Process) Log() string { return p.log.String() }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Alive reports whether it still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Killed waits for its end and reports whether that was SIGKILL.
func (p *Process) Killed() bool {
	<-p.ended
	return p.killed
}

// Kill ends it as the kernel would, and returns when it has ended.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends the child in peace, and by force if it does not go. Stopping twice is safe.
func (p *Process) Stop() {
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(2 * stopLimit):
		p.Kill()
	}
}

// Unforeseen lists the lines of its log that tell of an error that nobody foresaw, or of a panic; and every line that
// is none of the log's.
func (p *Process) Unforeseen() []string {
	var out []string
	for line := range strings.Lines(p.Log()) {
		if !strings.HasSuffix(line, "\n") {
			break // it died while it wrote this
		}
		var entry struct {
			Msg   string
			Kind  string
			Error json.RawMessage // an object where it was an error, a text where it was told as one
		}
		var e struct{ Kind string }
		internal := access.KindInternal.String()
		err := json.Unmarshal([]byte(line), &entry)
		_ = json.Unmarshal(entry.Error, &e)
		if err != nil || entry.Kind == internal || e.Kind == internal || strings.Contains(entry.Msg, "panicked") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}
