package kubernetes

import (
	"context"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// openUsers opens a connector that gives roles to users whom the cluster knows.
func (c *cluster) openUsers(t testing.TB, change ...func(*UserConfig)) connector.Driver {
	t.Helper()
	config, _ := UserType().New().(*UserConfig)
	config.Server, config.CAFile, config.TokenFile, config.Permissions = c.URL(), c.CAFile(), c.token, c.permissions()
	for _, f := range change {
		f(config)
	}
	return connectortest.Open(t, "cluster", nil, config)
}

// TestUserLaw is TestLaw for users whom the cluster knows: each grant has a binding of its own, and a user has as many as there
// are grants.
func TestUserLaw(t *testing.T) {
	t.Parallel()
	c := start(t)
	relay := relaytest.NewDisturber(t, c.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return c.openUsers(t, func(config *UserConfig) { config.Server = "https://" + relay.Addr() })
		},
		Traits:      userTraits(),
		Entitlement: entitlement("orders", "read"),
		Another:     entitlement("orders", "restart"),
		Account:     hostile,
		Login: func(_ context.Context, e access.Entitlement, _ access.Credential) (connectortest.Session, error) {
			return c.reader(e, people()[hostile]), nil
		},
		Snapshot:    c.snapshot,
		WaitPast:    connectortest.AwaitPast,
		Blind:       c.blind,
		MakeForeign: c.makeForeign,
		Standing: func(testing.TB) connectortest.Session {
			return c.reader(entitlement("orders", "read"), people()[standing])
		},
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Without: map[connectortest.Capability]string{connectortest.MakeObject: "objects of Kubernetes belong to nobody"},
	})
}
