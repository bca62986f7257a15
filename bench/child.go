package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/server"
	"github.com/curfewhq/curfew/internal/store"
)

// childCommand is the first argument of this program when it is started again as the server under measurement.
const childCommand = "serve-child"

// types are those of the product, and the target in memory.
func types() []connector.Type { return append(all.ConnectorTypes(), memory.Type()) }

// serveChild is curfewd with the in-memory target, and profiles on an address of its own. It prints both addresses and
// ends with its standard input.
func serveChild(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(childCommand, flag.ContinueOnError)
	path := flags.String("config", "", "the configuration")
	idle := flags.Bool("idle-target", false, "never find anything due, so that no target is touched")
	seeded := flags.Bool("seeded", false, "presume that the target has what the books were seeded with")
	limit := flags.String("limit", "", "serve the limit of HTTP and disk instead, in this folder")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *limit != "" {
		return serveLimit(ctx, *limit)
	}
	c, err := config.Load(*path, config.Options{Types: types(), ResolveSecrets: true})
	if err != nil {
		return err
	}
	o := server.Options{Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Clock: access.SystemClock{}}
	if *idle {
		o.WrapStore = func(s store.Store) store.Store { return idleStore{s} }
	}
	if *seeded {
		o.WrapDriver = presume
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	s, err := server.Start(ctx, c, o)
	if err != nil {
		return err
	}
	profiles, err := serveProfiles(ctx)
	if err != nil {
		return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	defer profiles.Close()
	fmt.Fprintln(os.Stdout, s.Addr(), profiles.Addr())
	err = s.Wait(ctx)
	stopping, stopped := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stopped()
	return errors.Join(err, s.Stop(stopping))
}

func serveProfiles(ctx context.Context) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/profile", pprof.Profile)
	go func() { _ = (&http.Server{Handler: mux, ReadHeaderTimeout: time.Second}).Serve(l) }()
	return l, nil
}

// idleStore is a store in which nothing is ever due.
type idleStore struct{ store.Store }

func (s idleStore) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(idleTx{tx}) })
}

type idleTx struct{ store.Tx }

func (t idleTx) Grants() store.Grants { return idleGrants{t.Tx.Grants()} }

type idleGrants struct{ store.Grants }

func (idleGrants) NextDue(store.Lane) (time.Time, error) { return time.Time{}, nil }

func (idleGrants) Upcoming(store.Lane, store.Due, time.Time, int) ([]access.Grant, error) {
	return nil, nil
}

// child is a running server.
type child struct {
	cmd      *exec.Cmd
	stdin    io.Closer
	url      string
	profiles string
	// ready is how long it took from its start until it said where it listens.
	ready time.Duration
}

// startChild starts this program again with the arguments of childCommand.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{childCommand}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	cmd.Stderr = &tail{keep: &said}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	addresses := strings.Fields(line)
	if len(addresses) != 2 {
		return nil, fmt.Errorf("the server did not start: %w\n%s", cmd.Wait(), said.String())
	}
	return &child{
		cmd: cmd, stdin: stdin, url: "http://" + addresses[0], profiles: "http://" + addresses[1], ready: time.Since(began),
	}, nil
}

// tail takes what the server logs, as a log collector would, and keeps the beginning for when it does not start.
type tail struct{ keep *strings.Builder }

func (t *tail) Write(p []byte) (int, error) {
	if t.keep.Len() < 4096 {
		t.keep.Write(p)
	}
	return len(p), nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill is kill -9.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = c.cmd.Wait() // it says that it was killed
	return nil
}

// stop ends it in peace.
func (c *child) stop() error {
	c.stdin.Close()
	return c.cmd.Wait()
}

// profile saves a CPU profile of the next seconds.
func (c *child) profile(ctx context.Context, path string, d time.Duration) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/profile?seconds=%d", c.profiles, max(1, int(d.Seconds()))), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, answer.Body)
	return errors.Join(err, f.Close())
}
