package ldap

import (
	"flag"
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

// together is how many memberships end at once in TestEndTogether. 500 are for a look by hand.
var together = flag.Int("together", 60, "how many memberships TestEndTogether ends at once")

// TestEndTogether lets the memberships of many people in one group end at one moment, on two nodes. How late they are is for
// who reads the log.
func TestEndTogether(t *testing.T) {
	p := start(t)
	for i := range *together {
		name := enginetest.Engineer(i)
		p.add(t, person(name), "objectClass", "inetOrgPerson", "cn", name, "sn", name)
	}
	before := p.snapshot(t)
	clock := &enginetest.LeapClock{}
	w := enginetest.New(t, enginetest.WithTimeout(20*time.Second), enginetest.WithClock(clock), enginetest.WithCrowd(*together),
		enginetest.WithConnector(func() (connector.Type, connector.Driver) {
			return Type(), p.open(t, func(c *Config) {
				c.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{"read": {Groups: []string{readers}}}}}
			})
		}))
	late := enginetest.EndCrowd(t, w, clock)
	if after := p.snapshot(t); after != before {
		t.Errorf("the directory has changed:\n%s", after)
	}
	t.Logf("%d memberships, two nodes, after the deadline: p50 %v, p99 %v, max %v", len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
}
