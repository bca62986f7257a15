package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// sleeper is a server with a call under way, of which the command sleeps for longer than a test lasts.
type sleeper struct {
	*company
	server *exec.Cmd
	stdin  io.Closer
	// cancel is how the client calls the call off.
	cancel context.CancelFunc
	pid    string
}

func newSleeper(t *testing.T) *sleeper {
	t.Helper()
	s := &sleeper{company: newCompany(t)}
	s.server = s.command(enginetest.AliceAgent, "--any-command")
	stdin, err := s.server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
	s.stdin = stdin
	a := s.over(&mcp.IOTransport{Reader: stdout, Writer: stdin})
	started := filepath.Join(t.TempDir(), "started")
	if err := unix.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	go func() {
		// It has no answer that says anything: it is ended from outside.
		_, _ = a.CallTool(ctx, &mcp.CallToolParams{Name: "run_with_access", Arguments: runIn{
			Access: enginetest.Read, Reason: "look", Timeout: "10m", Command: []string{"sh", "-c", "echo $$ > " + started + "; exec sleep 600"},
		}})
	}()
	pid, err := os.ReadFile(started) // which waits for who writes
	if err != nil {
		t.Fatal(err)
	}
	s.pid = strings.TrimSpace(string(pid))
	return s
}

// end closes the connection and waits for the server.
func (s *sleeper) end() {
	s.t.Helper()
	if err := s.stdin.Close(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.server.Wait(); err != nil {
		s.t.Errorf("the server ends with %v", err)
	}
}

// check fails if something of the call is left.
func (s *sleeper) check() {
	s.t.Helper()
	if _, err := os.Stat("/proc/" + s.pid); err == nil {
		s.t.Error("the command runs still")
	}
	for _, g := range s.grants(true) {
		if g.State != access.GrantEnded {
			s.t.Errorf("the grant is %s", g.State)
		}
	}
}

// A client that goes away in the middle of a command leaves nothing behind: the command ends, and its grant.
func TestMCPClientGoesAway(t *testing.T) {
	s := newSleeper(t)
	defer s.cancel()
	s.end()
	s.check()
}

// So does one that calls the call off.
func TestMCPCallIsCancelled(t *testing.T) {
	s := newSleeper(t)
	s.cancel()
	for len(s.grants(false)) > 0 {
		<-time.After(10 * time.Millisecond) // the protocol has no answer to this that could be waited for
	}
	s.check()
	s.end()
}
