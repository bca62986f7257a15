package curfewdtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/server"
)

// envConfig makes the test binary curfewd: it names the configuration to serve.
const envConfig = "CURFEW_TEST_SERVE"

// stopLimit bounds how long a child takes to stop in peace.
const stopLimit = 10 * time.Second

// ServeIfChild is called first in TestMain. In a child that Start started it is curfewd, and does not return; before,
// the child is prepared: it may change what the server is made of, and the process. Everywhere else it does nothing.
func ServeIfChild(prepare func(configPath string, c *config.Config, o *server.Options) error) {
	path := os.Getenv(envConfig)
	if path == "" {
		return
	}
	if err := serve(path, prepare); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve ends when its standard input does, and so with its parent.
func serve(path string, prepare func(string, *config.Config, *server.Options) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	o := server.Options{
		Log: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: tellKind})), Clock: access.SystemClock{},
	}
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	if err != nil {
		return err
	}
	if err := prepare(path, c, &o); err != nil {
		return err
	}
	s, err := server.Start(ctx, c, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, s.Addr())
	err = s.Wait(ctx)
	stopping, done := context.WithTimeout(context.Background(), stopLimit)
	defer done()
	if stopErr := s.Stop(stopping); err == nil {
		err = stopErr
	}
	return err
}

// tellKind logs the kind of an error beside its text, so that what nobody foresaw can be told from the rest; see
// Process.Unforeseen.
func tellKind(_ []string, a slog.Attr) slog.Attr {
	err, ok := a.Value.Any().(error)
	if !ok {
		return a
	}
	return slog.Group(a.Key, slog.String("kind", access.KindOf(err).String()), slog.String("text", err.Error()))
}
