package engine

import (
	"context"
	"io"
	"log/slog"
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

// Config is what an Engine stands on. Every field but Observer and Journal is required.
type Config struct {
	Tenant       access.TenantID
	Installation string
	Store        store.Store
	Sealer       *secret.Sealer
	Directory    Directory
	Connectors   map[access.ConnectorName]*connector.Connector
	Policies     *policy.Set
	Bundles      map[string][]access.Entitlement
	IDs          access.IDs
	// Random gives salts; it must be cryptographically strong outside of simulations.
	Random io.Reader
	Log    *slog.Logger
	// Observer watches the work. Nil is nobody.
	Observer Observer
	// Journal keeps what is taken back while the store is away through a crash. Nil keeps it in memory.
	Journal Journal
}

// Engine leads requests and grants through their lives. It is safe for concurrent use and keeps nothing in memory for a
// grant that just lives.
type Engine struct {
	cfg     Config
	signals *signals
	standby *standby
}

// New makes an engine.
func New(c Config) *Engine {
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	if c.Journal == nil {
		c.Journal = forgetful{}
	}
	return &Engine{cfg: c, signals: newSignals(), standby: newStandby()}
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

// connector finds a connector; the message names it.
func (e *Engine) connector(name access.ConnectorName) (*connector.Connector, error) {
	c, ok := e.cfg.Connectors[name]
	if !ok {
		return nil, access.Errorf(access.KindMisconfigured, "the connector %s is not in the configuration any more; restore it so that its grants can be taken back", name)
	}
	return c, nil
}

// shares reports whether what the connector gives are rights that several grants may hold.
func (e *Engine) shares(name access.ConnectorName) bool {
	c, ok := e.cfg.Connectors[name]
	return ok && c.Type().Traits.Shared()
}

// issues reports whether the connector issues credentials.
func (e *Engine) issues(name access.ConnectorName) bool {
	c, ok := e.cfg.Connectors[name]
	return ok && !c.Type().Traits.NoCredential
}

// CheckConnectors refuses a configuration that lacks a connector with grants that have not ended: they could not be
// taken back.
func (e *Engine) CheckConnectors(ctx context.Context) error {
	var lanes []store.Lane
	err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		lanes, err = tx.Grants().Lanes()
		return err
	})
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		if _, err := e.connector(lane.Connector); lane.Tenant == e.cfg.Tenant && err != nil {
			return err
		}
	}
	return nil
}

// backoff is the wait before the next try after n failures in a row: one second doubled each time, up to a minute. The
// tries never end.
func backoff(n int) time.Duration {
	return min(time.Minute, time.Second<<min(max(n-1, 0), 6))
}
