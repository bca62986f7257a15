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
	"sync"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/journal"
	"github.com/curfewhq/curfew/internal/secret"
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
	// OwnProposer says that the program makes its configuration itself, so that nobody has to agree to what it says.
	OwnProposer bool
}

// Server is a running curfewd.
type Server struct {
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	options   Options
	// control keeps the versions of the configuration. changing is held by who proposes or takes one over.
	control  *changecontrol.Control
	changing sync.Mutex
	// here is what the files on this machine say, config what is served, and opened what was opened for that.
	here   atomic.Pointer[config.Config]
	config *config.Config
	opened atomic.Pointer[opened]
	// serving is the digest of config, and trouble what keeps this node from serving another version that it should; empty when nothing does.
	serving, trouble atomic.Pointer[string]
	// endWatch ends the watching for what other nodes put in force; watched is closed when it has ended.
	endWatch context.CancelFunc
	watched  chan struct{}

	store store.Store
	// clock is the store's, for connectors.
	clock     access.Clock
	journal   *journal.Journal
	head      *headFile
	engine    *engine.Engine
	runner    *engine.Runner
	registrar *directory.Registrar
	// sources reads who is in the directories of the configuration. Reload replaces it.
	sources atomic.Pointer[directory.Sync]
	// delivery carries the log outside. Reload replaces it.
	delivery atomic.Pointer[delivery.Service]
	// holder is this node's name in leases.
	holder   string
	listener net.Listener
	http     *http.Server
	// hangUp ends the requests that wait for something to happen.
	hangUp context.CancelFunc
	// endTelling ends the telling of people whom a change of a group left waiting; told is closed when it has ended.
	endTelling context.CancelFunc
	told       chan struct{}
	served     chan error
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
		log: log, telemetry: telemetry.New(telemetry.Options{Log: log, Exporter: o.Spans}), options: o,
		served: make(chan error, 1),
	}
	s.here.Store(c)
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
	s.listener = takenWithin(answerLimit, s.listener)
	k, err := s.openBooks(ctx, c)
	if err != nil {
		return s, err
	}
	s.control = changecontrol.New(changecontrol.Config{
		Store: s.store, Books: lateBooks{s}, Sealer: k.sealer, Tenant: access.DefaultTenant, Judge: judge{s},
		Directory: func() changecontrol.Directory { return s.Directory() },
	})
	plan, c, err := s.choose(ctx, c)
	if err != nil {
		return s, err
	}
	first, err := s.open(c)
	if err != nil {
		return s, err
	}
	s.nowServes(c)
	s.opened.Store(first)
	s.engine = engine.New(engine.Config{
		Tenant: access.DefaultTenant, Installation: k.installation, Store: s.store, Sealer: k.sealer,
		Rules: first.rules(c), IDs: engine.UUIDs{}, Random: rand.Reader, Log: s.log, Observer: s.telemetry, Journal: s.journal,
		EventsNumbered: alone(k.books),
	})
	if err := s.resumeLog(ctx); err != nil {
		return s, err
	}
	s.holder = nodeName(alone(k.books))
	carries, err := s.openDelivery(c)
	if err != nil {
		return s, err
	}
	s.registrar = directory.NewRegistrar(s.engine, engine.UUIDs{}, access.DefaultTenant, s.Directory)
	reads, err := s.openSources(c, s.registrar)
	if err != nil {
		return s, err
	}
	s.watch()
	if err := s.takeOver(ctx, alone(k.books), k.restores); err != nil {
		return s, err
	}
	s.checkBooks(k.books)
	if err := s.serve(k.sealer); err != nil {
		return s, err
	}
	s.deliver(carries)
	s.readSources(reads)
	if err := s.enter(ctx, plan); err != nil {
		return s, err
	}
	s.watchConfiguration()
	return s, nil
}

// kept is what a store has that was opened, and what opens it.
type kept struct {
	books        books
	sealer       *secret.Sealer
	installation string
	restores     []store.Restore
}

// openBooks opens the books and the keys, and holds the books against what this machine remembers of them.
func (s *Server) openBooks(ctx context.Context, c *config.Config) (k kept, err error) {
	if k.books, err = openStore(ctx, c.Store, Options{Log: s.log, Clock: s.options.Clock}); err != nil {
		return k, err
	}
	s.store = k.books
	if s.options.WrapStore != nil {
		s.store = s.options.WrapStore(s.store)
	}
	s.store = s.telemetry.Store(s.store)
	s.telemetry.WatchCommits(k.books.Stats)
	if k.sealer, k.installation, err = openKeys(ctx, s.store, c.Server); err != nil {
		return k, err
	}
	if s.journal, err = openJournal(c.Server.JournalFile); err != nil {
		return k, err
	}
	if k.restores, err = readRestores(ctx, s.store, k.sealer); err != nil {
		return k, err
	}
	s.head = &headFile{path: c.Server.HeadFile, installation: k.installation, sealer: k.sealer, log: s.log}
	if err := s.head.check(ctx, s.store, k.restores); err != nil {
		return k, err
	}
	s.void = voidTokens(k.sealer, k.restores)
	s.clock, err = newClock(ctx, s.store)
	return k, err
}

// watch has the metrics read what they count in the store.
func (s *Server) watch() {
	s.telemetry.WatchLanes(s.store, s.lanes)
	s.telemetry.WatchLog(s.store, access.DefaultTenant)
	s.telemetry.WatchSources(s.store, access.DefaultTenant, func() []directory.SyncStatus { return s.sources.Load().Statuses() })
	s.telemetry.WatchConfiguration(s.store, access.DefaultTenant, func() string { return *s.serving.Load() })
	s.telemetry.WatchDelivery(s.store, access.DefaultTenant, func() []delivery.Status { return s.delivery.Load().Statuses() })
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

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Engine is the engine inside, for a program that embeds the server.
func (s *Server) Engine() *engine.Engine { return s.engine }

// Directory is the directory in force.
func (s *Server) Directory() *directory.Directory { return s.opened.Load().directory }

// Authenticate finds out who calls, by the directory in force.
func (s *Server) Authenticate(ctx context.Context, token string) (access.Caller, error) {
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
	if s.endWatch != nil {
		s.endWatch()
		<-s.watched
	}
	if s.endTelling != nil {
		s.endTelling()
		<-s.told
	}
	if s.runner != nil {
		s.runner.Stop()
	}
	if reads := s.sources.Load(); reads != nil {
		reads.Stop()
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
