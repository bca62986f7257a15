// Package enginetest is a small company around a real engine: a store on SQLite in a temporary folder, a target in
// memory, and people. Tests of the engine and of the surfaces above it live in it.
//
// It owns who these people are and what they may do. It is for tests only.
package enginetest

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Names of people; the bearer token of each is the name with "-token" behind it. Alice is an engineer with a second
// account, alice-admin, that is the same person, and an agent. Bob, Dave and Erin lead. Carol administers, Olga audits,
// and Mallory belongs to no group.
const (
	Alice      = "alice"
	AliceAdmin = "alice-admin"
	AliceAgent = "alice-agent"
	Bob        = "bob"
	Carol      = "carol"
	Dave       = "dave"
	Erin       = "erin"
	Mallory    = "mallory"
	Olga       = "olga"
)

// Entitlements behind the one connector.
const (
	// Read is automatic for engineers, for at most four hours.
	Read = "orders-db/orders:read"
	// Write needs one lead, for at most an hour.
	Write = "orders-db/orders:write"
	// Drop needs two leads.
	Drop = "orders-db/orders:drop"
	// Archive is for nobody.
	Archive = "orders-db/archive:read"
)

// World is the company.
type World struct {
	testing.TB
	Engine    *engine.Engine
	Store     store.Store
	Target    *memory.Target
	Connector *connector.Connector
	Directory *directory.Directory
	// Path is the store's file.
	Path string
	gone *departed
	away *atomic.Bool
	// begins and commits have what to do, by transaction, before it begins and while it is being committed.
	begins, commits sync.Map
}

// Option changes the company before it opens.
type Option func(*settings)

type settings struct {
	clock    access.Clock
	policies []policy.Policy
	timeout  time.Duration
	log      *slog.Logger
	traits   func(*connector.Traits)
	observer Observer
	wrap     func(store.Store) store.Store
	journal  engine.Journal
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

// New makes a company that is torn down with the test.
func New(t testing.TB, options ...Option) *World {
	t.Helper()
	s := settings{clock: access.SystemClock{}, policies: Policies(), timeout: 5 * time.Second, log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&s)
	}
	w := &World{TB: t, Path: filepath.Join(t.TempDir(), "curfew.db"), away: &atomic.Bool{}}
	w.Target = memory.NewTarget(memory.Options{Clock: s.clock, Resources: []access.Resource{
		{Name: "orders", Permissions: []string{"read", "write", "drop"}, Labels: map[string]string{"env": "prod"}},
		{Name: "archive", Permissions: []string{"read"}},
	}})
	w.open(s)
	return w
}

func (w *World) open(s settings) {
	w.Helper()
	ctx := context.Background()
	st, err := sqlstore.OpenSQLite(ctx, w.Path, sqlstore.Options{Clock: s.clock})
	w.must(err)
	w.Store = &observedStore{Store: st, before: &w.begins, during: &w.commits, away: w.away}
	if s.wrap != nil {
		w.Store = s.wrap(w.Store)
	}
	w.Cleanup(func() { w.must(st.Close()) })

	typ := memory.Type()
	if s.traits != nil {
		s.traits(&typ.Traits)
	}
	w.Connector = connector.New(w.Target.Driver(s.clock), connector.Options{
		Name: "orders-db", Type: typ, Labels: map[string]string{"team": "orders"}, Timeout: s.timeout, Clock: s.clock,
		Observer: s.observer,
	})
	w.Cleanup(func() { w.must(w.Connector.Close()) })

	w.Directory, err = directory.New(People(), map[access.Role][]policy.Selector{
		access.RoleAdmin: {"group:static/platform"}, access.RoleAuditor: {"group:static/audit"},
	})
	w.must(err)
	w.gone = &departed{Directory: w.Directory}
	set, err := policy.Compile(s.policies)
	w.must(err)
	w.Engine = engine.New(engine.Config{
		Tenant: access.DefaultTenant, Installation: "test", Store: w.Store, Sealer: w.sealer(), Directory: w.gone,
		Connectors: map[access.ConnectorName]*connector.Connector{"orders-db": w.Connector}, Policies: set,
		Bundles: map[string][]access.Entitlement{"incident": {Entitlement(Read), Entitlement(Write)}},
		IDs:     engine.UUIDs{}, Random: rand.Reader, Log: s.log,
		Observer: s.observer, Journal: s.journal,
	})
}

func (w *World) sealer() *secret.Sealer {
	w.Helper()
	path := filepath.Join(w.TempDir(), "key")
	w.must(localfile.Create(path))
	wrapper, err := localfile.Open(path)
	w.must(err)
	wrapped, err := secret.NewDataKey(context.Background(), wrapper, access.DefaultTenant)
	w.must(err)
	sealer, err := secret.OpenSealer(context.Background(), wrapper, access.DefaultTenant, wrapped)
	w.must(err)
	return sealer
}

// Run starts a runner, which stops with the test.
func (w *World) Run() {
	r := engine.NewRunner(w.Engine)
	r.Start()
	w.Cleanup(r.Stop)
}

// Who finds a person by name.
func (w *World) Who(name string) access.Principal {
	w.Helper()
	p, err := w.Directory.Principal(context.Background(), access.PrincipalID{Issuer: access.StaticIssuer, Subject: name})
	w.must(err)
	return p
}

// Leaves takes a person out of the directory that the engine asks.
func (w *World) Leaves(name string) { w.gone.names.Store(name, true) }

// LoseDirectory makes the directory that the engine asks fail, or answer again.
func (w *World) LoseDirectory(lost bool) { w.gone.lost.Store(lost) }

// LoseStore makes the store that the engine uses fail, or answer again.
func (w *World) LoseStore(lost bool) { w.away.Store(lost) }

// DuringCommit calls f once, in the next transaction of that name, before it is committed.
func (w *World) DuringCommit(name store.TxName, f func()) { w.commits.Store(name, f) }

// BeforeTransaction calls f once, before the next transaction of that name begins, as when a node sleeps there. Others'
// transactions go on meanwhile.
func (w *World) BeforeTransaction(name store.TxName, f func()) { w.begins.Store(name, f) }

// observedStore is the store with what BeforeTransaction and DuringCommit have to do, and may be away.
type observedStore struct {
	store.Store
	before, during *sync.Map
	away           *atomic.Bool
}

var errStoreAway = access.Errorf(access.KindUnavailable, "The store does not answer.")

func (s *observedStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if s.away.Load() {
		return errStoreAway
	}
	return s.Store.View(ctx, fn)
}

func (s *observedStore) Now(ctx context.Context) (time.Time, error) {
	if s.away.Load() {
		return time.Time{}, errStoreAway
	}
	return s.Store.Now(ctx)
}

func (s *observedStore) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	if s.away.Load() {
		return errStoreAway
	}
	if f, ok := s.before.LoadAndDelete(name); ok {
		f.(func())()
	}
	return s.Store.Update(ctx, name, func(tx store.Tx) error {
		if f, ok := s.during.LoadAndDelete(name); ok {
			f.(func())()
		}
		return fn(tx)
	})
}

// departed is a directory that some have left, and that may be out of reach.
type departed struct {
	*directory.Directory
	names sync.Map
	lost  atomic.Bool
}

var errNoDirectory = access.Errorf(access.KindUnavailable, "The directory does not answer.")

func (d *departed) Principal(ctx context.Context, id access.PrincipalID) (access.Principal, error) {
	if d.lost.Load() {
		return access.Principal{}, errNoDirectory
	}
	if _, gone := d.names.Load(id.Subject); gone {
		return access.Principal{}, access.Errorf(access.KindNotFound, "The principal %s is not in the directory.", id)
	}
	return d.Directory.Principal(ctx, id)
}

func (d *departed) Members(ctx context.Context, selector policy.Selector) ([]access.Principal, error) {
	if d.lost.Load() {
		return nil, errNoDirectory
	}
	members, err := d.Directory.Members(ctx, selector)
	return slices.DeleteFunc(members, func(p access.Principal) bool {
		_, gone := d.names.Load(p.ID.Subject)
		return gone
	}), err
}

func (w *World) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Entitlement parses what a test knows to be right.
func Entitlement(s string) access.Entitlement {
	e, err := access.ParseEntitlement(s)
	if err != nil {
		panic(err)
	}
	return e
}

// People lists the company.
func People() []directory.Entry {
	person := func(name string, kind access.PrincipalKind, person string, groups ...string) directory.Entry {
		for i := range groups {
			groups[i] = access.StaticIssuer + "/" + groups[i]
		}
		return directory.Entry{Token: name + "-token", Principal: access.Principal{
			ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}, Kind: kind, Person: access.PersonID(person), Groups: groups,
		}}
	}
	agent := person(AliceAgent, access.Agent, Alice, "engineering", "leads")
	agent.Principal.ActsFor = access.PrincipalID{Issuer: access.StaticIssuer, Subject: Alice}
	return []directory.Entry{
		person(Alice, access.Human, Alice, "engineering"),
		person(AliceAdmin, access.Human, Alice, "leads", "platform"),
		agent,
		person(Bob, access.Human, Bob, "leads"),
		person(Carol, access.Human, Carol, "platform"),
		person(Dave, access.Human, Dave, "leads"),
		person(Erin, access.Human, Erin, "leads"),
		person(Mallory, access.Human, Mallory),
		person(Olga, access.Human, Olga, "audit"),
	}
}

// Policies are what the company allows.
func Policies() []policy.Policy {
	engineers, leads := []string{"group:engineering"}, []string{"group:leads"}
	reason := policy.Requirements{Reason: true}
	return []policy.Policy{
		{
			Name: "read-orders", Effect: policy.EffectAllow, Who: engineers, What: []string{Read}, MaxDuration: 4 * time.Hour,
			When: `resource.labels[?"env"].orValue("") == "prod"`, Require: reason, Auto: true,
		},
		{
			Name: "write-orders", Effect: policy.EffectAllow, Who: engineers, What: []string{Write}, MaxDuration: time.Hour,
			Require: reason, Stages: []policy.Stage{{From: leads, Count: 1, Within: 2 * time.Hour}},
		},
		{
			Name: "drop-orders", Effect: policy.EffectAllow, Who: engineers, What: []string{Drop}, MaxDuration: time.Hour,
			Require: reason, Stages: []policy.Stage{{From: leads, Count: 2, Within: 2 * time.Hour}},
		},
	}
}
