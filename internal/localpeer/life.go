package localpeer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	logFile = "server.log"
	// portTries bounds the attempts to find a port that nobody else takes first.
	portTries = 5
)

var errPortTaken = errors.New("somebody else took the port first")

// start starts the server on a port of its own. The port is free when it is chosen, not necessarily when it is used.
func (p *Postgres) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range portTries {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		if err := p.startOn(ctx, port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("no port on loopback stayed free in %d attempts", portTries)
}

func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr(0))
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func addr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// startOn starts the server on the port and returns when it answers; p.mu is held.
func (p *Postgres) startOn(ctx context.Context, port int) error {
	log, err := os.OpenFile(p.folder.join(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	before, err := log.Stat()
	if err != nil {
		return err
	}
	// The context is that of the start; the server lives on.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.programs.path("postgres"), p.arguments(port)...)
	p.confine(cmd)
	cmd.Env = append(cmd.Env, p.clockEnvironment()...)
	cmd.SysProcAttr = sysProcAttr(p.account)
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := startProcess(cmd)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.process, p.port = proc, port
	err = p.waitReady(ctx)
	if err == nil {
		return nil
	}
	err = errors.Join(err, p.end(syscall.SIGQUIT))
	said, readErr := p.logSince(before.Size())
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case bytes.Contains(said, []byte("Address already in use")):
		return errPortTaken
	}
	return fmt.Errorf("%w; its log ends: %s", err, tail(said))
}

// arguments are the server's. Settings of the caller come last and win.
func (p *Postgres) arguments(port int) []string {
	onOff := map[bool]string{true: "on", false: "off"}
	args := []string{"-D", p.folder.join(clusterDir)}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "127.0.0.1")
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", "") // a socket's path may be too long for its address
	set("fsync", onOff[p.options.Fsync])
	for _, name := range slices.Sorted(maps.Keys(p.options.Settings)) {
		set(name, p.options.Settings[name])
	}
	return args
}

// waitReady speaks the protocol until the server answers a query as the superuser. That the answer comes from this
// server, and not from one that took the port, shows in the password.
func (p *Postgres) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	super := dsn(addr(p.port), Superuser, Superuser, p.password)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx, super)
		if err == nil {
			return nil
		}
		select {
		case <-p.process.exited:
			return fmt.Errorf("PostgreSQL ended while starting (%v)", p.process.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

func ping(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

func (p *Postgres) logSince(offset int64) ([]byte, error) {
	text, err := os.ReadFile(p.folder.join(logFile))
	return text[min(offset, int64(len(text))):], err
}

// end stops the process, if one runs; p.mu is held. A paused server is woken, for it could not obey.
func (p *Postgres) end(polite syscall.Signal) error {
	if p.process == nil {
		return nil
	}
	err := errors.Join(p.process.signal(syscall.SIGCONT), p.process.stop(polite, stopPatience))
	p.process = nil
	return err
}
