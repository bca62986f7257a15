package delivery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/store"
)

// Transaction names the transactions of this package. Nobody waits for them.
const Transaction store.TxName = "deliver"

// Log is the audit log, as package engine knows it.
type Log interface {
	// Checkpoint is the newest signed checkpoint, its signature checked; the zero LogHead while there is none.
	Checkpoint(context.Context) (store.LogHead, error)
	// ProveExtends proves that the log as one checkpoint has it begins with the log as an earlier one does. The error wraps
	// audit.ErrRewritten when it does not.
	ProveExtends(ctx context.Context, later, earlier audit.Checkpoint) error
}

// Config is what a Service stands on. Everything but the two lists is required.
type Config struct {
	Tenant access.TenantID
	Store  store.Store
	Audit  Log
	// Holder names this node in leases. A node that comes back under the name of one that died waits for nobody.
	Holder string
	Log    *slog.Logger

	Witnesses []WitnessOptions
	Streams   []StreamOptions
}

// warnInterval is how often it is said that there is no witness.
const warnInterval = time.Hour

// Service serves the destinations of one configuration. It is started once, and stopped once.
type Service struct {
	cfg          Config
	destinations []*destination

	cancel  context.CancelFunc
	workers sync.WaitGroup
}

// New makes a service that does nothing yet.
func New(c Config) *Service {
	s := &Service{cfg: c}
	for _, o := range c.Witnesses {
		s.destinations = append(s.destinations, newDestination(&s.cfg, o.Name, KindWitness, o.Every, newWitnessing(c.Audit, o)))
	}
	for _, o := range c.Streams {
		s.destinations = append(s.destinations, newDestination(&s.cfg, o.Name, KindStream, streamPause, newStreaming(&s.cfg, o)))
	}
	return s
}

// Start begins to deliver.
func (s *Service) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, d := range s.destinations {
		s.workers.Go(func() { d.run(ctx) })
	}
	if len(s.cfg.Witnesses) == 0 {
		s.workers.Go(func() { s.warn(ctx) })
	}
}

// warn says that there is no witness, again and again.
func (s *Service) warn(ctx context.Context) {
	ticker := time.NewTicker(warnInterval)
	defer ticker.Stop()
	for {
		s.cfg.Log.WarnContext(ctx, NoWitness)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// NoWitness is what is said while no witness is configured.
const NoWitness = "the audit log has no witness: nobody outside keeps its checkpoints, so who has the store and the key can rewrite it unnoticed; name one under audit.witnesses"

// Stop ends the delivering, gives each witness the newest checkpoint, and lets other nodes go on. What a witness cannot be
// given before ctx ends it is given after the next start.
func (s *Service) Stop(ctx context.Context) {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.workers.Wait()
	var last sync.WaitGroup
	for _, d := range s.destinations {
		last.Go(func() { d.end(ctx) })
	}
	last.Wait()
}

// Status says how a destination is served by this node.
type Status struct {
	Name string
	Kind Kind
	// Failing: the last attempt of this node failed.
	Failing bool
	// Rewritten: what the witness has is not the beginning of the log.
	Rewritten bool
}

// Kind tells witnesses from streams.
type Kind string

// The kinds of destination.
const (
	KindWitness Kind = "witness"
	KindStream  Kind = "stream"
)

// Statuses are those of all destinations, in the order of the configuration.
func (s *Service) Statuses() []Status {
	list := make([]Status, len(s.destinations))
	for i, d := range s.destinations {
		list[i] = d.status()
	}
	return list
}
