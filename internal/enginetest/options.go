package enginetest

import (
	"io"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// Option changes the company before it opens.
type Option func(*settings)

type settings struct {
	clock    access.Clock
	policies []policy.Policy
	timeout  time.Duration
	log      *slog.Logger
	traits   func(*connector.Traits)
	groups   connector.Provenance
	target   *memory.Target
	driver   func(connector.Driver) connector.Driver
	real     func() (connector.Type, connector.Driver)
	observer Observer
	wrap     func(store.Store) store.Store
	journal  engine.Journal
	numbered bool
	crowd    int
	owners   connector.Owners
}

// Observer watches the engine and its connector.
type Observer interface {
	engine.Observer
	connector.Observer
}

// WithClock hands the clock in, to store and target alike.
func WithClock(c access.Clock) Option { return func(s *settings) { s.clock = c } }

// WithPolicies replaces the policies.
func WithPolicies(p ...policy.Policy) Option { return func(s *settings) { s.policies = p } }

// WithOwners says who owns what is behind the connector.
func WithOwners(o connector.Owners) Option { return func(s *settings) { s.owners = o } }

// WithTimeout bounds the calls of the driver.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithLog takes what the engine logs, as text.
func WithLog(w io.Writer) Option { return WithLogger(slog.New(slog.NewTextHandler(w, nil))) }

// WithLogger lets the engine log there.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithTraits changes what the target says of itself.
func WithTraits(f func(*connector.Traits)) Option { return func(s *settings) { s.traits = f } }

// WithObserver lets somebody watch, and stands what they wrap the store in between it and the engine.
func WithObserver(o Observer, wrap func(store.Store) store.Store) Option {
	return func(s *settings) { s.observer, s.wrap = o, wrap }
}

// WithJournal keeps there what is taken back while the store is away.
func WithJournal(j engine.Journal) Option { return func(s *settings) { s.journal = j } }

// WithEventsNumbered has the store number events in their own commit, as curfewd does on SQLite. Without it the company
// goes by Sequence, as one of several nodes.
func WithEventsNumbered() Option { return func(s *settings) { s.numbered = true } }

// WithGroups makes the target one of memberships, of that provenance, in place of accounts for each grant. Everybody has
// an account there, of their own name, but Mallory and the agent. Write stands for the groups orders:read and orders:write.
func WithGroups(p connector.Provenance) Option { return func(s *settings) { s.groups = p } }

// WithDriver puts something between the engine and the driver.
func WithDriver(f func(connector.Driver) connector.Driver) Option {
	return func(s *settings) { s.driver = f }
}

// WithConnector takes a connector to a real target in place of the one in memory. It is opened once for each node, has the
// resource orders, and knows everybody by their names.
func WithConnector(open func() (connector.Type, connector.Driver)) Option {
	return func(s *settings) { s.real = open }
}

// WithTarget takes a target that is there already, so that two companies share it.
func WithTarget(t *memory.Target) Option { return func(s *settings) { s.target = t } }
