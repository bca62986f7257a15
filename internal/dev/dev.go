package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/server"
)

// Options say how to run the demo.
type Options struct {
	// Data is a folder to keep everything in; empty is a temporary one.
	Data string
	// Listen is HOST:PORT; when it is taken, a free port is used instead.
	Listen string
	// JSON prints one line of JSON in place of words.
	JSON bool
	// Tour names the target at which to play the life of a grant, and end: postgres, or another that Targets lists. Empty
	// plays nothing.
	Tour   string
	Stdout io.Writer
	Stderr io.Writer
}

// Run starts the demo and returns when ctx ends, or the tour. Before it returns it takes back what is live, reads that
// back, and removes what it made.
func Run(ctx context.Context, o Options) (err error) {
	if err := checkTour(o); err != nil {
		return err
	}
	d := &demo{Options: o}
	// What is put away is put away in peace, after ctx has ended.
	defer func() { err = errors.Join(err, d.close(context.WithoutCancel(ctx))) }()
	if err := d.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	switch {
	case o.Tour != "":
		return d.tour(ctx)
	case o.JSON:
		err = json.NewEncoder(o.Stdout).Encode(struct {
			URL    string            `json:"url"`
			Data   string            `json:"data"`
			Tokens map[string]string `json:"tokens"`
		}{d.address, d.folder.path, d.folder.tokens})
	default:
		err = d.welcome()
	}
	if err != nil {
		return err
	}
	return d.server.Wait(ctx)
}

// demo is a running dev server.
type demo struct {
	Options
	folder   *folder
	postgres *localpeer.Postgres
	// others are the targets beside it, by the names of their kinds.
	others map[string]target
	server *server.Server
	// address is where the API is.
	address string
	logFile *os.File
}

func (d *demo) start(ctx context.Context) (err error) {
	if d.folder, err = openFolder(d.Data); err != nil {
		return err
	}
	if d.logFile, err = os.OpenFile(filepath.Join(d.folder.path, "curfewd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	fmt.Fprintln(d.Stderr, "Starting a private PostgreSQL and curfewd …")
	if d.postgres, err = startTarget(ctx, d.folder, d.Stderr); err != nil {
		return err
	}
	if d.others, err = startOthers(ctx, d.Options, d.folder); err != nil {
		return err
	}
	path, err := d.folder.config(d.Listen)
	if err != nil {
		return err
	}
	c, err := config.Load(path, config.Options{Types: all.ConnectorTypes(), ResolveSecrets: true})
	if err != nil {
		return err
	}
	options := server.Options{Log: slog.New(slog.NewJSONHandler(d.logFile, nil)), Clock: access.SystemClock{}, OwnProposer: true}
	c.Server.Listen = d.Listen
	d.server, err = server.Start(ctx, c, options)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(d.Listen)
		c.Server.Listen = net.JoinHostPort(host, "0")
		d.server, err = server.Start(ctx, c, options)
	}
	if err == nil {
		d.address = "http://" + d.server.Addr().String()
	}
	return err
}

// welcome says what to type next.
func (d *demo) welcome() error {
	_, err := fmt.Fprintf(d.Stdout, `Curfew is running. It has a PostgreSQL of its own, with a database of orders, and three people.

In another terminal, from this checkout:

  go install ./cmd/...                     # puts curfew into $(go env GOPATH)/bin; have that on your PATH
  export CURFEW_URL=%s
  export CURFEW_TOKEN=%s
  export CURFEW_REVIEWER_TOKEN=%s

Then, as the engineer:

  curfew list
  curfew request orders-db/orders:read --for 2m --reason "look at order 17" --wait
  curfew credential orders-db/orders:read
  eval "$(curfew credential orders-db/orders:read --env)" && psql -c 'TABLE orders'

What needs a review:

  curfew request orders-db/orders:write --for 2m --reason "repair order 17"
  CURFEW_TOKEN=$CURFEW_REVIEWER_TOKEN curfew requests --to-review
  CURFEW_TOKEN=$CURFEW_REVIEWER_TOKEN curfew approve ID

%sEverything lies in %s, the log in curfewd.log there, and what shows that the audit
log was not rewritten in witness/checkpoints: a real witness is a place that others look after.
Ctrl-C takes back what is live, reads that back, and %s.
`, d.address, d.folder.tokens["engineer"], d.folder.tokens["reviewer"], d.offers(), d.folder.path, d.farewell())
	return err
}

func (d *demo) farewell() string {
	if d.folder.keep {
		return "keeps the files"
	}
	return "removes what was made"
}

// takeBackLimit bounds how long the end of the demo waits for the target. It is longer than an order that was cut short
// may take to arrive, for which the end of a grant waits.
const takeBackLimit = time.Minute

// close puts the demo away in the order in which nothing is lost: access, server, target, files.
func (d *demo) close(ctx context.Context) error {
	var errs []error
	if d.server != nil {
		errs = append(errs, d.stopServing(ctx), d.takeBack(ctx), d.stopServer(ctx))
	}
	for _, other := range d.others {
		errs = append(errs, other.stop())
	}
	if d.postgres != nil {
		errs = append(errs, d.postgres.Stop())
	}
	if d.logFile != nil {
		errs = append(errs, d.logFile.Close())
	}
	if d.folder != nil {
		errs = append(errs, d.folder.remove())
	}
	return errors.Join(errs...)
}

// stopServing takes no more requests, so that nothing is granted behind the back of taking back.
func (d *demo) stopServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackLimit)
	defer cancel()
	return d.server.StopServing(ctx)
}

func (d *demo) stopServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackLimit)
	defer cancel()
	return d.server.Stop(ctx)
}
