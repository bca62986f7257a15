package engine

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// Directory knows principals. Implementations are safe for concurrent use.
type Directory interface {
	// Principal finds a principal as it is now; access.KindNotFound when it is gone.
	Principal(ctx context.Context, id access.PrincipalID) (access.Principal, error)
	// Members lists the principals that a reviewer selector stands for; none is no error.
	Members(ctx context.Context, selector policy.Selector) ([]access.Principal, error)
	// HasRole reports whether the principal has the role.
	HasRole(p access.Principal, r access.Role) bool
}

// Config is what an Engine stands on. Every field but EventsNumbered, Observer and Journal is required.
type Config struct {
	Tenant       access.TenantID
	Installation string
	Store        store.Store
	Sealer       *secret.Sealer
	// Rules are those at the start; Reload replaces them.
	Rules Rules
	IDs   access.IDs
	// Random gives salts; it must be cryptographically strong outside of simulations.
	Random io.Reader
	Log    *slog.Logger
	// EventsNumbered says that the store numbers events in the commit that they come with: who waits for the log to grow is
	// woken by that. Without it they are woken by Sequence.
	EventsNumbered bool
	// Observer watches the work. Nil is nobody.
	Observer Observer
	// Journal keeps what is taken back while the store is away through a crash. Nil keeps it in memory.
	Journal Journal
}

// Engine leads requests and grants through their lives. It is safe for concurrent use and keeps nothing in memory for a
// grant that just lives; of one that ends soon it keeps what it needs to take it back in time.
type Engine struct {
	cfg     Config
	rules   atomic.Pointer[Rules]
	signals *signals
	standby *standby
	aheads  *aheads
	log     logReads

	reconsidering reconsidering
}

// New makes an engine.
func New(c Config) *Engine {
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	if c.Journal == nil {
		c.Journal = forgetful{}
	}
	e := &Engine{cfg: c, signals: newSignals(), standby: newStandby(), aheads: newAheads()}
	e.rules.Store(&c.Rules)
	e.reconsidering.begin()
	return e
}

const (
	// activationLimit is how long a grant may take from the start of its clock to being active, and how long a
	// scheduled one may wait for a target that does not answer.
	activationLimit = 2 * time.Minute
	// lateMargin is added to an order's ActBy before its late effects are held to be impossible. It covers the skew
	// that a connector tolerates between the target's clock and the store's.
	lateMargin = connector.DefaultSkewLimit
	// MaxOpen is how many pending requests and unended grants a principal may have together.
	MaxOpen = 500
	// lapseLimit is how many requests one transaction lets lapse.
	lapseLimit = 100
)

// backoff is the wait before the next try after n failures in a row: one second doubled each time, up to a minute. The
// tries never end.
func backoff(n int) time.Duration {
	return min(time.Minute, time.Second<<min(max(n-1, 0), 6))
}
