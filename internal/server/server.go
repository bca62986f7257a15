// Package server assembles curfewd and is the life of its process.
//
// It owns the order in which things start and stop: the books first, then the keys, the connectors, the engine, the
// surfaces; and back again. It owns no rule and no format.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/journal"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/telemetry"
)

// Options are what a server is handed beside its configuration.
type Options struct {
	Log   *slog.Logger
	Clock access.Clock
	// WrapStore and WrapDriver, when set, stand between the engine and what it uses: tests kill the process there.
	WrapStore  func(store.Store) store.Store
	WrapDriver func(access.ConnectorName, connector.Driver) connector.Driver
	// Spans, when set, takes the spans of traces.
	Spans sdktrace.SpanExporter
}

// Server is a running curfewd.
type Server struct {
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	options   Options
	// config is the one in force, and opened what was opened for it. Reload replaces both.
	config *config.Config
	opened atomic.Pointer[opened]

	store store.Store
	// clock is the store's, for connectors.
	clock   access.Clock
	journal *journal.Journal
	head    *headFile
	engine  *engine.Engine
	runner  *engine.Runner
	// delivery carries the log outside. Reload replaces it.
	delivery atomic.Pointer[delivery.Service]
	// holder is this node's name in leases.
	holder   string
	listener net.Listener
	http     *http.Server
	// hangUp ends the requests that wait for something to happen.
	hangUp context.CancelFunc
	served chan error
	// endCheck ends the reading of the whole store, and checked is closed when it is over; damage is what it found.
	endCheck context.CancelFunc
	checked  chan struct{}
	damage   atomic.Pointer[error]
	// void reports of a token whether a restore of the store has made it void.
	void func(token string) bool
}

// Start opens the books, connects, and listens. When it returns without error the server answers. Whatever was due
// while no server ran is due now: there is nothing to restore.
func Start(ctx context.Context, c *config.Config, o Options) (s *Server, err error) {
	log := slog.New(telemetry.LogHandler(o.Log.Handler()))
	s = &Server{
		log: log, telemetry: telemetry.New(telemetry.Options{Log: log, Exporter: o.Spans}), options: o, config: c,
		served: make(chan error, 1),
	}
	defer func() {
		if err != nil {
			err, s = errors.Join(err, s.close(), s.telemetry.Close(ctx)), nil
		}
	}()
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Server.Listen); err != nil {
		return s, fmt.Errorf("listening on %s (server.listen): %w", c.Server.Listen, err)
	}
	if s.listener, err = limitCallers(s.listener); err != nil {
		return s, err
	}
	books, err := openStore(ctx, c.Store, Options{Log: log, Clock: o.Clock})
	if err != nil {
		return s, err
	}
	s.store = books
	if o.WrapStore != nil {
		s.store = o.WrapStore(s.store)
	}
	s.store = s.telemetry.Store(s.store)
	s.telemetry.WatchCommits(books.Stats)
	sealer, installation, err := openKeys(ctx, s.store, c.Server)
	if err != nil {
		return s, err
	}
	if s.journal, err = openJournal(c.Server.JournalFile); err != nil {
		return s, err
	}
	restores, err := readRestores(ctx, s.store, sealer)
	if err != nil {
		return s, err
	}
	s.head = &headFile{path: c.Server.HeadFile, installation: installation, sealer: sealer, log: s.log}
	if err := s.head.check(ctx, s.store, restores); err != nil {
		return s, err
	}
	s.void = voidTokens(sealer, restores)
	if s.clock, err = newClock(ctx, s.store); err != nil {
		return s, err
	}
	first, err := s.open(c)
	if err != nil {
		return s, err
	}
	s.opened.Store(first)
	s.telemetry.WatchLanes(s.store, s.lanes)
	s.telemetry.WatchLog(s.store, access.DefaultTenant)
	s.engine = engine.New(engine.Config{
		Tenant: access.DefaultTenant, Installation: installation, Store: s.store, Sealer: sealer,
		Rules: first.rules(c), IDs: engine.UUIDs{}, Random: rand.Reader, Log: s.log, Observer: s.telemetry, Journal: s.journal,
		EventsNumbered: alone(books),
	})
	if err := s.resumeLog(ctx); err != nil {
		return s, err
	}
	s.holder = nodeName(alone(books))
	carries, err := s.openDelivery(c)
	if err != nil {
		return s, err
	}
	s.telemetry.WatchDelivery(s.store, access.DefaultTenant, func() []delivery.Status { return s.delivery.Load().Statuses() })
	if err := s.takeOver(ctx, alone(books), restores); err != nil {
		return s, err
	}
	s.checkBooks(books)
	s.serve()
	s.deliver(carries)
	return s, nil
}

// resumeLog holds the log against the checkpoint that was kept beside the store, where there is one. What cannot be held
// against it now is later, before anything is signed.
func (s *Server) resumeLog(ctx context.Context) error {
	if s.head.checkpoint == nil {
		return nil
	}
	kept, err := audit.ReadCheckpoint(s.head.checkpoint)
	if err != nil {
		return fmt.Errorf("the head of the audit log (server.head): %w", err)
	}
	switch err := s.engine.ResumeLog(ctx, kept); {
	case errors.Is(err, audit.ErrRewritten):
		return access.Wrap(access.KindMisconfigured, err, fmt.Sprintf(
			"the store's audit log does not begin with the %d entries that %s (server.head) knows: it was rewritten, or set back. %s",
			kept.Tree.N, s.head.path, remedyForAnotherStore))
	case err != nil:
		s.log.ErrorContext(ctx, "the audit log cannot be held against its head", "head", s.head.path, "error", err)
	}
	return nil
}

// takeOver brings the books into the state from which this process goes on.
func (s *Server) takeOver(ctx context.Context, alone bool, restores []store.Restore) error {
	if err := s.engine.CheckConnectors(ctx); err != nil {
		return err
	}
	if alone {
		if err := s.engine.VoidLeases(ctx); err != nil {
			return fmt.Errorf("taking back what an earlier process had in hand: %w", err)
		}
		if err := s.engine.TrustDecided(ctx); err != nil {
			return fmt.Errorf("looking under which rules the grants were decided: %w", err)
		}
	}
	if err := s.recover(ctx, restores); err != nil {
		return err
	}
	return s.head.begin(ctx, s.store, s.engine.Checkpoint)
}

// serve starts to act on what is due and to answer.
func (s *Server) serve() {
	s.runner = engine.NewRunner(s.engine)
	s.runner.Start()
	handler := api.New(api.Config{
		Engine: s.engine, Authenticator: s, Tenant: access.DefaultTenant, Log: s.log,
		Ready: s.ready, Metrics: s.telemetry.Handler(),
	})
	base, hangUp := context.WithCancel(context.Background())
	s.hangUp = hangUp
	s.http = &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		Handler:     s.telemetry.HTTP(handler, handler.Route), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() { s.served <- s.http.Serve(s.listener) }()
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Engine is the engine inside, for a program that embeds the server.
func (s *Server) Engine() *engine.Engine { return s.engine }

// Directory is the directory in force.
func (s *Server) Directory() *directory.Directory { return s.opened.Load().directory }

// Authenticate finds out who calls, by the directory in force.
func (s *Server) Authenticate(ctx context.Context, token string) (access.Principal, error) {
	return s.Directory().Authenticate(ctx, token)
}

// ready reports whether the books can be read.
func (s *Server) ready(ctx context.Context) error {
	if damage := s.damage.Load(); damage != nil {
		return *damage
	}
	return s.store.View(ctx, func(tx store.Tx) error {
		_, err := tx.Installation().ID()
		return err
	})
}

// patience is how long calls under way have, when the server stops, before those that wait for something are ended.
const patience = time.Second

// StopServing answers no more calls; the engine goes on with what is due. Stopping twice is safe.
func (s *Server) StopServing(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	polite, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.http.Shutdown(polite); err == nil {
		return nil
	}
	s.hangUp()
	return s.http.Shutdown(ctx)
}

// Stop answers no more, lets the steps under way end, and closes the books. Grants stay as they are: their deadlines
// are in the store, and at the targets that know expiry.
func (s *Server) Stop(ctx context.Context) error {
	// What is left to export is last, so that it includes all that was done.
	return errors.Join(s.StopServing(ctx), s.close(), s.telemetry.Close(ctx))
}

func (s *Server) close() error {
	var errs []error
	if s.endCheck != nil {
		s.endCheck()
		<-s.checked
	}
	if s.hangUp != nil {
		s.hangUp()
	}
	if s.runner != nil {
		s.runner.Stop()
	}
	s.stopDelivery()
	if o := s.opened.Load(); o != nil {
		errs = append(errs, o.close())
	}
	if s.head != nil {
		s.head.close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
