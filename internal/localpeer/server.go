package localpeer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	logFile = "server.log"
	// portTries bounds the attempts to find a port that nobody else takes first.
	portTries = 5
	// readyWithin bounds the wait for a server that has been started.
	readyWithin = time.Minute
	// stopPatience is how long a server may take to end before it is killed.
	stopPatience = 10 * time.Second
)

var (
	errPortTaken  = errors.New("somebody else took the port first")
	errNotRunning = errors.New("the server does not run")
)

// recipe is what differs from one kind of server to another.
type recipe struct {
	// name is the server's, for errors.
	name string
	// command is the program and its arguments, to listen on the port of loopback.
	command func(port int) []string
	// environment is added to what confine sets.
	environment []string
	// ready speaks the protocol; nil is the answer of a server that works, and of no other that took its port.
	ready func(ctx context.Context, port int) error
	// portTaken is what the server writes when its port was taken.
	portTaken string
	// polite lets it end in order. abrupt ends it at once, its children included, when its starter dies as well.
	polite, abrupt syscall.Signal
	// account is whom it runs as; nil is ourselves.
	account *syscall.Credential
	// ownNetwork puts it into a network in which nobody else is. It takes root, on Linux.
	ownNetwork bool
}

// server is a program that listens on a loopback port of its own, and keeps everything in a folder of its own. It dies
// with this process. Its methods are safe for concurrent use.
type server struct {
	recipe recipe
	folder *folder

	mu      sync.Mutex
	port    int
	process *process
	stopped bool
}

// start starts the server on a port of its own. The port is free when it is chosen, not necessarily when it is used.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range portTries {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		if err := s.startOn(ctx, port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("no port on loopback stayed free in %d attempts", portTries)
}

// freePort chooses below the ports that Linux gives to connections (ip_local_port_range): one of those may go to anybody's
// connection while a server is stopped, which is to start on it again.
func freePort(ctx context.Context) (port int, err error) {
	const lowest, beyond = 20000, 32768
	var lc net.ListenConfig
	for range 100 {
		port = lowest + rand.IntN(beyond-lowest) //nolint:gosec // nobody gains by guessing it
		l, err := lc.Listen(ctx, "tcp", addr(port))
		if err == nil {
			return port, l.Close()
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return 0, err
		}
	}
	return 0, errors.New("no port of loopback is free")
}

// FreeAddr is an address of loopback that nobody listens on, for a server which others must know before it starts.
func FreeAddr(ctx context.Context) (string, error) {
	port, err := freePort(ctx)
	return addr(port), err
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// startOn starts the server on the port and returns when it answers; s.mu is held.
func (s *server) startOn(ctx context.Context, port int) error {
	log, err := os.OpenFile(s.folder.join(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	before, err := log.Stat()
	if err != nil {
		return err
	}
	argv := s.recipe.command(port)
	// The context is that of the start; the server lives on.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...)
	s.confine(cmd)
	cmd.SysProcAttr = sysProcAttr(s.recipe)
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.recipe.name, err)
	}
	s.process, s.port = proc, port
	err = s.waitReady(ctx)
	if err == nil {
		return nil
	}
	err = errors.Join(err, s.end(s.recipe.abrupt))
	said, readErr := s.logSince(before.Size())
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case bytes.Contains(said, []byte(s.recipe.portTaken)):
		return errPortTaken
	}
	return fmt.Errorf("%w; its log ends: %s", err, tail(said))
}

// confine sets where a program stands, and an environment that no variable of the caller reaches.
func (s *server) confine(cmd *exec.Cmd) {
	cmd.Dir = s.folder.path
	cmd.Env = append([]string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}, s.recipe.environment...)
}

// waitReady asks until the server works.
func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.recipe.ready(ctx, s.port)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.exited:
			return fmt.Errorf("%s ended while starting (%v)", s.recipe.name, s.process.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", s.recipe.name, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func (s *server) logSince(offset int64) ([]byte, error) {
	text, err := os.ReadFile(s.folder.join(logFile))
	return text[min(offset, int64(len(text))):], err
}

// end stops the process, if one runs; s.mu is held. A paused server is woken, for it could not obey.
func (s *server) end(by syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	err := errors.Join(s.process.signal(syscall.SIGCONT), s.process.stop(by, stopPatience))
	s.process = nil
	return err
}

// Addr is the address that it listens on.
func (s *server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return addr(s.port)
}

// Log is what the server has written about itself so far.
func (s *server) Log() (string, error) {
	text, err := s.logSince(0)
	return string(text), err
}

// Crash ends the server at once, as a power failure would: nothing is written down, sessions are cut, and what was not
// on disk is gone. Restart starts it again. A server that does not run is no error.
func (s *server) Crash() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end(s.recipe.abrupt)
}

// Restart starts the server again, after stopping it if it runs, on the same port and with the same data.
func (s *server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errNotRunning
	}
	if err := s.end(s.recipe.polite); err != nil {
		return err
	}
	return s.startOn(ctx, s.port)
}

// Stop ends the server and its sessions, and removes the folder if it is a temporary one. Further calls do nothing.
func (s *server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	return errors.Join(s.end(s.recipe.polite), s.folder.close())
}
