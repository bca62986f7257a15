package simulation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// connectorName is the one connector, to the one target, and installation is this one; callTimeout bounds its calls, and half of a lease.
const (
	connectorName = "orders-db"
	targetName    = "memory"
	installation  = "simulation"
	callTimeout   = 5 * time.Second
)

// Setup is what all runs share, because it takes longer to make than a run takes. It never changes.
type Setup struct {
	policies *policy.Set
	// directory is that of the configuration, on no store.
	directory directory.Config
	keys      []*secret.RecipientKey
	account   *policy.AccountRule
	// groups are what each permission stands for where there are groups; groupNames lists them.
	groups     map[string][]string
	groupNames []string
}

// NewSetup compiles the policies and makes the keys.
func NewSetup() (*Setup, error) {
	set, err := policy.Compile(policies())
	if err != nil {
		return nil, err
	}
	dir := directory.Config{Entries: enginetest.People(), Tenant: access.DefaultTenant, Roles: map[access.Role][]policy.Selector{
		access.RoleAdmin: {"group:static/platform", "principal:static/dave"}, access.RoleAuditor: {"group:static/audit"},
	}, Limits: limits(), Accounts: map[string]directory.Accounts{provider: {Of: source, Attribute: directory.SubjectAttribute}}}
	rule, err := policy.CompileAccountRule(accountRule)
	if err != nil {
		return nil, err
	}
	s := &Setup{policies: set, directory: dir, account: rule, groups: groups(), groupNames: groupNames()}
	for i := range 2 {
		// A scalar that is the same every time, so that fingerprints of the key are as well.
		seed := sha256.Sum256(fmt.Appendf(nil, "recipient %d", i))
		key, err := secret.ParseRecipientKey(seed[:])
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// counter implements access.IDs: identifiers that are short to read in a trace, and sort by the time of their making.
type counter struct{ n int }

// New implements access.IDs.
func (c *counter) New(prefix string) string {
	c.n++
	return fmt.Sprintf("%s%04d", prefix, c.n)
}

// node is a process: an engine with the connector that it keeps.
type node struct {
	name string
	// off is how far its idea of the store's clock is off.
	off   time.Duration
	world *World
	// engine is nil while the node is dead. rules are those of its configuration.
	engine *engine.Engine
	rules  engine.Rules
}

// Now implements access.Clock: what the node knows of the store's clock, for its connector.
func (n *node) Now() time.Time {
	now, err := n.world.books.Now(context.Background())
	if err != nil {
		n.world.breaks("the store answers", "%v", err)
	}
	return now.Add(n.off)
}

// boot starts a node: whatever one before it had in memory is gone.
func (w *World) boot(n *node) {
	w.trace.add(n.name, "starts")
	n.rules = w.rulesOver(&wire{Driver: w.driver(n), world: w}, n)
	n.engine = w.engineOn(&books{Store: w.books, world: w}, n.rules)
}

// rulesOver are the configuration of this installation, with a way to the target.
func (w *World) rulesOver(way connector.Driver, clock access.Clock) engine.Rules {
	conn := connector.New(way, connector.Options{
		Name: connectorName, Type: w.connectorType(), Timeout: callTimeout, Clock: clock, Account: w.setup.account,
	})
	return engine.Rules{
		Directory: w.people, Policies: w.setup.policies,
		Connectors: map[access.ConnectorName]*connector.Connector{connectorName: conn},
		Bundles: map[string]access.Bundle{"incident": {UndoPartial: true, Entitlements: []access.Entitlement{
			enginetest.Entitlement(enginetest.Read), enginetest.Entitlement(enginetest.Write),
		}}},
	}
}

// engineOn makes an engine of this installation on some books.
func (w *World) engineOn(books store.Store, rules engine.Rules) *engine.Engine {
	return engine.New(engine.Config{
		Tenant: access.DefaultTenant, Installation: installation, Store: books, Sealer: w.sealer(books),
		Rules: rules, IDs: w.ids, Random: w.random, Log: slog.New(slog.DiscardHandler),
	})
}

// salts is a source of bytes for what must be drawn and is in no trace.
func salts() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{}) }
