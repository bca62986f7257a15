package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// readLimit bounds one read of a source, and readLease is for how long a node has it to itself meanwhile.
	readLimit = 10 * time.Minute
	readLease = readLimit + time.Minute
	// lookAgain is how often a node looks whether a source is to be read, and by that how soon a read that failed is tried again.
	lookAgain = 30 * time.Second
)

// Synced is a source that is read at intervals.
type Synced struct {
	// Name is the source's, which its principals have as their issuer.
	Name   string
	Lister identity.Lister
	Every  time.Duration
	// MaxLoss is the share of its people, in percent, that one read may find gone.
	MaxLoss int
}

// SyncStatus is how this node's last read of a source went.
type SyncStatus struct {
	Name string
	// Failing says that it failed, and HeldBack of how many people it would have taken everything, and did not.
	Failing  bool
	HeldBack int
}

// SyncConfig is what a Sync stands on.
type SyncConfig struct {
	Sources   []Synced
	Registrar *Registrar
	// Holder is this node's name in leases.
	Holder string
	Log    *slog.Logger
}

// Sync keeps in the store what sources list: one node at a time reads each of them. It is safe for concurrent use.
type Sync struct {
	config  SyncConfig
	end     context.CancelFunc
	context context.Context
	running sync.WaitGroup

	mu       sync.Mutex
	statuses map[string]SyncStatus
}

// NewSync makes a Sync that reads nothing before Start.
func NewSync(c SyncConfig) *Sync {
	s := &Sync{config: c, statuses: map[string]SyncStatus{}}
	s.context, s.end = context.WithCancel(context.Background())
	return s
}

// Start begins to read, each source at once and then at its intervals.
func (s *Sync) Start() {
	for _, source := range s.config.Sources {
		s.running.Go(func() { s.keep(s.context, source) })
	}
}

// Stop ends what is under way: what of a read was kept stays, and the next one goes on. Stopping twice is safe.
func (s *Sync) Stop() {
	s.end()
	s.running.Wait()
}

// Statuses say how this node's last reads went, in the order of the sources.
func (s *Sync) Statuses() []SyncStatus {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]SyncStatus, len(s.config.Sources))
	for i, source := range s.config.Sources {
		list[i] = s.statuses[source.Name]
		list[i].Name = source.Name
	}
	return list
}

// keep reads a source whenever it is due, until ctx ends.
func (s *Sync) keep(ctx context.Context, source Synced) {
	for at := time.Duration(0); ; at = source.Every {
		if err := s.Read(ctx, source, at); err != nil && ctx.Err() == nil {
			s.config.Log.ErrorContext(ctx, "a directory was not taken over; who is known of it stays as it was", "source", source.Name, "error", err)
		}
		pause := time.NewTimer(min(lookAgain, source.Every))
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// Read reads a source, unless another node does, or it was read less than so long ago, and keeps what it says.
func (s *Sync) Read(ctx context.Context, source Synced, ago time.Duration) error {
	mine, err := s.take(ctx, source, ago)
	if err != nil || !mine {
		return err
	}
	held, err := s.read(ctx, source)
	s.mu.Lock()
	s.statuses[source.Name] = SyncStatus{Failing: err != nil, HeldBack: held}
	s.mu.Unlock()
	release := s.change(context.WithoutCancel(ctx), func(tx store.Tx, _ Enter) error { return tx.Leases().Release(leaseOf(source), s.config.Holder) })
	return errors.Join(err, release)
}

// SourceCursor is the name of the cursor that says when a source was last taken over, and of the lease of who reads it.
func SourceCursor(name string) string { return "source/" + name }

func leaseOf(source Synced) string { return SourceCursor(source.Name) }

const txSynced store.TxName = "source-synced"

func (s *Sync) change(ctx context.Context, fn func(tx store.Tx, enter func(access.Event) error) error) error {
	return s.config.Registrar.books.Change(ctx, txSynced, fn)
}

// take takes the source for this node, if it is to be read.
func (s *Sync) take(ctx context.Context, source Synced, ago time.Duration) (mine bool, err error) {
	err = s.change(ctx, func(tx store.Tx, _ Enter) error {
		last, err := tx.Cursors().Get(s.config.Registrar.tenant, leaseOf(source))
		if mine = err == nil && tx.Now().Sub(last.At) >= ago; !mine {
			return err
		}
		mine, err = tx.Leases().Acquire(leaseOf(source), s.config.Holder, tx.Now().Add(readLease))
		return err
	})
	return mine, err
}

// errLeaseLost says that another node reads the source by now.
var errLeaseLost = access.Errorf(access.KindConflict, "another node reads the directory by now")

// read reads and keeps. held counts those of whom it would have taken everything, had they not been too many.
func (s *Sync) read(ctx context.Context, source Synced) (held int, err error) {
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	accounts, err := source.Lister.List(reading)
	if err != nil {
		return 0, err
	}
	if len(accounts) > identity.MaxAccounts {
		return 0, access.Errorf(access.KindExhausted, "%d people are more than %d", len(accounts), identity.MaxAccounts)
	}
	known, err := s.config.Registrar.profilesOf(ctx, source.Name)
	if err != nil {
		return 0, err
	}
	now, err := s.config.Registrar.directory().config.Store.Now(ctx)
	if err != nil {
		return 0, err
	}
	d := compare(source.Name, known, accounts, now)
	if d.tooMany(source.MaxLoss) {
		return d.lost, access.Errorf(access.KindMisconfigured,
			"The directory lacks %d of %d people, or all of their groups, which is more than %d %% at once: nothing of it is taken over. Correct the directory, or what Curfew's account may read; if they have really left, raise max_loss until it was read again.",
			d.lost, d.present, source.MaxLoss)
	}
	if err := s.keepAll(ctx, source, d); err != nil {
		return 0, err
	}
	if n := len(d.gone) + len(d.told); n > 0 {
		s.config.Log.InfoContext(ctx, "a directory was taken over", "source", source.Name, "people", len(accounts), "gone", len(d.gone), "told", len(d.told))
	}
	return 0, nil
}

// perChange is how many people one transaction writes.
const perChange = 50

// keepAll keeps the differences, those who have left first.
func (s *Sync) keepAll(ctx context.Context, source Synced, d differences) error {
	r := s.config.Registrar
	for ids := range slices.Chunk(d.gone, perChange) {
		err := s.under(ctx, source, func(tx store.Tx, enter Enter) error {
			for _, id := range ids {
				if err := r.Gone(tx, enter, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for accounts := range slices.Chunk(d.told, perChange) {
		err := s.under(ctx, source, func(tx store.Tx, enter Enter) error {
			for _, a := range accounts {
				if _, err := r.Tell(tx, enter, source.Name, a); err != nil {
					return fmt.Errorf("the account %.128q: %w", a.Subject, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.under(ctx, source, func(tx store.Tx, _ Enter) error {
		last, err := tx.Cursors().Get(r.tenant, leaseOf(source))
		if err != nil {
			return err
		}
		return tx.Cursors().Advance(r.tenant, leaseOf(source), last.Position, store.Cursor{Position: last.Position + 1, At: tx.Now()})
	})
}

// under writes while the source is this node's.
func (s *Sync) under(ctx context.Context, source Synced, fn func(tx store.Tx, enter Enter) error) error {
	return s.change(ctx, func(tx store.Tx, enter func(access.Event) error) error {
		mine, err := tx.Leases().Acquire(leaseOf(source), s.config.Holder, tx.Now().Add(readLease))
		if err == nil && !mine {
			err = errLeaseLost
		}
		if err != nil {
			return err
		}
		return fn(tx, enter)
	})
}
