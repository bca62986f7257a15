package ldap

import (
	"slices"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// TestThroughTheEngine leads memberships through two nodes on one store.
func TestThroughTheEngine(t *testing.T) {
	p := start(t)
	alice := person("alice")
	p.add(t, alice, "objectClass", "inetOrgPerson", "cn", "Alice", "sn", "Liddell", "userPassword", nobodys)
	w := enginetest.New(t, enginetest.WithTimeout(20*time.Second), enginetest.WithConnector(func() (connector.Type, connector.Driver) {
		return Type(), p.open(t, func(c *Config) {
			c.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{
				"read": {Groups: []string{readers}}, "write": {Groups: []string{readers, admins}},
			}}}
		})
	}))
	give := func() {
		if !slices.Contains(p.members(t, readers, "member"), alice) {
			p.modify(t, readers, func(r *protocol.ModifyRequest) { r.Add("member", []string{alice}) })
		}
	}
	take := func() {
		p.modify(t, readers, func(r *protocol.ModifyRequest) { r.Delete("member", []string{alice}) })
	}
	enginetest.TestSharedRight(t, w, enginetest.Owner{
		Give: give, Take: take, Remove: take, LateEffect: traits().LateEffect,
		Has: func(want bool, when string) {
			t.Helper()
			if got := slices.Contains(p.members(t, readers, "member"), alice); got != want {
				t.Errorf("%s: she is a member: %t, want %t", when, got, want)
			}
		},
	})
}
