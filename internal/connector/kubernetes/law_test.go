package kubernetes

import (
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// points is how many messages the longest call exchanges with the server, those that begin TLS included.
const points = 16

// TestLaw holds the driver, as the account of the page, to the law of all drivers.
func TestLaw(t *testing.T) {
	t.Parallel()
	c := start(t)
	relay := relaytest.NewDisturber(t, c.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return c.open(t, func(config *Config) { config.Server = "https://" + relay.Addr() })
		},
		Traits:      traits(),
		Entitlement: entitlement("orders", "read"),
		Another:     entitlement("orders", "restart"),
		Login:       c.login,
		Snapshot:    c.snapshot,
		WaitPast:    connectortest.AwaitPast,
		Blind:       c.blind,
		MakeForeign: c.makeForeign,
		Standing: func(testing.TB) connectortest.Session {
			return c.reader(entitlement("orders", "read"), people()[standing])
		},
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: points,
		Without: map[connectortest.Capability]string{connectortest.MakeObject: "objects of Kubernetes belong to nobody"},
	})
}
