package redis

import (
	"context"
	"testing"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// TestLaw holds the driver, as the accounts of the page, to the law of all drivers.
func TestLaw(t *testing.T) {
	p := start(t)
	relay := relaytest.NewDisturber(t, p.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return p.open(t, func(c *Config) { c.URL = "redis://" + relay.Addr() })
		},
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "cache", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "cache", Resource: "orders", Permission: "write"},
		Login:       p.login,
		Snapshot:    p.snapshot,
		WaitPast:    connectortest.AwaitPast,
		Interrupt:   relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Blind: func(t testing.TB) func() {
			p.do(t, "ACL SETUSER curfew clearselectors") // of whose identity nobody tells now
			return func() { p.do(t, "ACL SETUSER curfew (~target:orders-cache)") }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) {
			p.do(t, "ACL SETUSER curfew_foreign on "+selector(string(mark)))
			t.Cleanup(func() { p.do(t, "ACL DELUSER curfew_foreign") })
		},
		Standing: func(t testing.TB) connectortest.Session {
			s, err := p.connect(context.WithoutCancel(t.Context()), &protocol.Options{Username: "standing", Password: "standing"}, "read")
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Without: map[connectortest.Capability]string{
			connectortest.MakeObject: "keys have no owner",
		},
	})
}
