// Package enginetest is a small company around a real engine: a store on SQLite in a temporary folder, a target in
// memory, and people. Tests of the engine and of the surfaces above it live in it.
//
// It owns who these people are and what they may do. It is for tests only.
package enginetest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
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
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Names of people; the bearer token of each is the name with "-token" behind it. Alice is an engineer with a second
// account, alice-admin, that is the same person, and an agent; Erin is her manager. Bob, Dave and Erin lead. Carol administers, Olga audits,
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
	// Write needs one lead, for at most an hour. Leads may ask for it in an engineer's name, and agents in their human's.
	Write = "orders-db/orders:write"
	// Drop needs two leads.
	Drop = "orders-db/orders:drop"
	// Archive is for nobody.
	Archive = "orders-db/archive:read"
)

// administrators are those of the company.
const administrators policy.Selector = "group:static/platform"

// World is the company.
type World struct {
	testing.TB
	Engine *engine.Engine
	// Rules are those that the engine began with.
	Rules     engine.Rules
	Store     store.Store
	Target    *memory.Target
	Connector *connector.Connector
	Directory *directory.Directory
	// Registrar keeps who signs in. Its entries are the engine's.
	Registrar *directory.Registrar
	// Path is the store's file.
	Path     string
	gone     *departed
	away     *atomic.Bool
	settings settings
	config   engine.Config
	// openSealer opens the company's keys once more, as another node does.
	openSealer func() *secret.Sealer
	runner     *engine.Runner
	// begins and commits have what to do, by transaction, before it begins and while it is being committed.
	begins, commits sync.Map
	views           atomic.Int64
	keysAway        atomic.Bool
}

// New makes a company that is torn down with the test.
func New(t testing.TB, options ...Option) *World {
	t.Helper()
	s := settings{clock: access.SystemClock{}, policies: Policies(), timeout: 5 * time.Second, log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&s)
	}
	w := &World{TB: t, Path: filepath.Join(t.TempDir(), "curfew.db"), settings: s, Target: s.target, away: &atomic.Bool{}}
	if w.Target == nil && s.real == nil {
		w.Target = w.newTarget()
	}
	w.open()
	return w
}

func (w *World) newTarget() *memory.Target {
	w.Helper()
	t := memory.NewTarget(memory.Options{
		Clock: w.settings.clock,
		Resources: []access.Resource{
			{Name: "orders", Permissions: []string{"read", "write", "drop"}, Labels: map[string]string{"env": "prod"}},
			{Name: "archive", Permissions: []string{"read"}},
		},
		Groups: map[string][]string{"orders:write": {"orders:read", "orders:write"}},
	})
	if w.settings.groups != "" {
		for _, name := range []string{Alice, AliceAdmin, Bob, Carol, Dave, Erin, Olga} {
			w.must(t.AddAccount(memory.Account{Name: name}, ""))
		}
	}
	return t
}

func (w *World) open() {
	w.Helper()
	s := w.settings
	st, err := sqlstore.OpenSQLite(context.Background(), w.Path, sqlstore.Options{Clock: s.clock, Background: engine.Background, NumberEvents: s.numbered})
	w.must(err)
	w.Store = &observedStore{Store: st, before: &w.begins, during: &w.commits, away: w.away, views: &w.views}
	if s.wrap != nil {
		w.Store = s.wrap(w.Store)
	}
	w.Cleanup(func() { w.must(st.Close()) })
	w.Directory, err = directory.New(directory.Config{
		Entries: append(People(), crowd(s.crowd)...), Store: w.Store, Tenant: access.DefaultTenant,
		Roles:  map[access.Role][]policy.Selector{access.RoleAdmin: {administrators}, access.RoleAuditor: {"group:static/audit"}},
		Limits: directory.Limits{Idle: time.Hour, Lifetime: 12 * time.Hour},
	})
	w.must(err)
	w.gone = &departed{Directory: w.Directory}
	var installation string
	w.must(st.View(context.Background(), func(tx store.Tx) (err error) {
		installation, err = tx.Installation().ID()
		return err
	}))
	w.config = engine.Config{
		Tenant: access.DefaultTenant, Installation: installation, Store: w.Store, Sealer: w.sealer(st, installation),
		IDs: engine.UUIDs{}, Random: rand.Reader, Log: s.log, Observer: s.observer, Journal: s.journal,
		EventsNumbered: s.numbered,
	}
	w.Connector = w.connect()
	w.Rules = engine.Rules{
		Directory: w.gone, Policies: w.Allow(s.policies...),
		Connectors: map[access.ConnectorName]*connector.Connector{"orders-db": w.Connector},
		Bundles:    map[string]access.Bundle{"incident": {Entitlements: []access.Entitlement{Entitlement(Read), Entitlement(Write)}}},
	}
	w.Engine = w.node(w.Connector)
	w.Registrar = directory.NewRegistrar(w.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return w.Directory })
}

// connect opens one more connector on the target.
func (w *World) connect() *connector.Connector {
	w.Helper()
	s := w.settings
	rule, err := policy.CompileAccountRule(`principal.subject == "mallory" || principal.kind == "agent" ? "" : principal.attributes[?"account"].orValue(principal.subject)`)
	w.must(err)
	labels := map[string]string{"team": "orders"}
	var typ connector.Type
	var driver connector.Driver
	switch {
	case s.real != nil:
		typ, driver = s.real()
		labels["env"] = "prod"
	case s.groups != "":
		typ, driver = w.Target.GroupType(s.groups), w.Target.GroupDriver(s.clock, s.groups)
	default:
		typ, driver = memory.Type(), w.Target.Driver(s.clock)
	}
	if s.traits != nil {
		s.traits(&typ.Traits)
	}
	if s.driver != nil {
		driver = s.driver(driver)
	}
	c := connector.New(driver, connector.Options{
		Name: "orders-db", Type: typ, Labels: labels, Owners: s.owners, Timeout: s.timeout, Account: rule, Clock: s.clock, Observer: s.observer,
	})
	w.Cleanup(func() { w.must(c.Close()) })
	return c
}

// node makes an engine of this company.
func (w *World) node(c *connector.Connector) *engine.Engine { return w.nodeWith(w.config, c) }

func (w *World) nodeWith(config engine.Config, c *connector.Connector) *engine.Engine {
	config.Rules = w.Rules
	config.Rules.Connectors = map[access.ConnectorName]*connector.Connector{"orders-db": c}
	return engine.New(config)
}

// Node makes one more engine on the same store and the same target, as another machine would.
func (w *World) Node() *engine.Engine {
	w.Helper()
	config := w.config
	config.Sealer = w.openSealer()
	return w.nodeWith(config, w.connect())
}

// Restored is a company with the keys, the people and the target of this one, whose books are its own: what this one was
// before its store was restored from an older backup.
func (w *World) Restored() *World {
	w.Helper()
	r := &World{TB: w.TB, Path: filepath.Join(w.TempDir(), "curfew.db"), Target: w.Target, Directory: w.Directory, gone: w.gone, away: w.away, settings: w.settings}
	r.openSealer = w.openSealer
	st, err := sqlstore.OpenSQLite(context.Background(), r.Path, sqlstore.Options{Clock: w.settings.clock, Background: engine.Background})
	w.must(err)
	w.Cleanup(func() { w.must(st.Close()) })
	var kept []store.Key
	w.must(w.Store.View(context.Background(), func(tx store.Tx) (err error) { kept, err = tx.Keys().List(access.DefaultTenant); return err }))
	w.must(st.Update(context.Background(), "keys", func(tx store.Tx) error {
		for _, k := range kept {
			if err := tx.Keys().Insert(k); err != nil {
				return err
			}
		}
		return nil
	}))
	r.Store, r.config = st, w.config
	r.config.Store = st
	r.Connector, r.Rules = r.connect(), w.Rules
	r.Engine = r.node(r.Connector)
	return r
}

// Settle lets an engine of the company do everything that is due now, without a runner.
func (w *World) Settle(e *engine.Engine) {
	w.Helper()
	ctx := context.Background()
	for claimed := 1; claimed > 0; {
		now, err := w.Store.Now(ctx)
		w.must(err)
		p, err := e.Step(ctx, now, store.Lane{Tenant: access.DefaultTenant, Connector: "orders-db"}, 16)
		w.must(err)
		claimed = p.Claimed
	}
}

// Run starts a runner, which stops with the test.
func (w *World) Run() { w.runner = w.RunNode(w.Engine) }

// RunNode starts a runner for one of the company's engines, which stops with the test.
func (w *World) RunNode(e *engine.Engine) *engine.Runner {
	r := engine.NewRunner(e)
	r.Start()
	w.Cleanup(r.Stop)
	return r
}

// Reload changes the rules and has the engine take them over. What change is given it may keep and change.
func (w *World) Reload(change func(*engine.Rules)) error {
	rules := w.Rules
	rules.Connectors, rules.Bundles = maps.Clone(rules.Connectors), maps.Clone(rules.Bundles)
	change(&rules)
	if err := w.Engine.Reload(context.Background(), rules); err != nil {
		return err
	}
	if w.runner != nil {
		w.runner.Sync()
	}
	return nil
}

// Allow is a set of the policies given.
func (w *World) Allow(p ...policy.Policy) *policy.Set {
	w.Helper()
	set, err := policy.Compile(p)
	w.must(err)
	return set
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

// Views counts how often the store was read.
func (w *World) Views() int64 { return w.views.Load() }

// observedStore is the store with what BeforeTransaction and DuringCommit have to do, and may be away.
type observedStore struct {
	store.Store
	before, during *sync.Map
	away           *atomic.Bool
	views          *atomic.Int64
}

var errStoreAway = access.Errorf(access.KindUnavailable, "The store does not answer.")

func (s *observedStore) View(ctx context.Context, fn func(store.Tx) error) error {
	s.views.Add(1)
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
	alice := person(Alice, access.Human, Alice, "engineering")
	alice.Principal.Manager = access.PrincipalID{Issuer: access.StaticIssuer, Subject: Erin}
	agent.Principal.Manager = alice.Principal.Manager
	return []directory.Entry{
		alice,
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
			Name: "write-orders", Effect: policy.EffectAllow, Who: engineers, OnBehalfOf: []string{"group:leads", "kind:agent"}, What: []string{Write}, MaxDuration: time.Hour,
			Require: reason, Stages: []policy.Stage{{From: leads, Count: 1, Within: 2 * time.Hour}},
		},
		{
			Name: "drop-orders", Effect: policy.EffectAllow, Who: engineers, What: []string{Drop}, MaxDuration: time.Hour,
			Require: reason, Stages: []policy.Stage{{From: leads, Count: 2, Within: 2 * time.Hour}},
		},
	}
}
