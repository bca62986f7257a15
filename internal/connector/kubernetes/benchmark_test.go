package kubernetes

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/curfewhq/curfew/internal/connector"
)

// BenchmarkGrant is an order until the credential opens what it is for, and BenchmarkBareGrant the least that an API server must
// do for the same: an account, a token, a binding, and a look whether it counts.
func BenchmarkGrant(b *testing.B) {
	c := start(b)
	d := c.open(b)
	all := c.prepared(b, d)
	b.ResetTimer()
	for i := range b.N {
		if _, err := d.Grant(b.Context(), all[i].order, all[i].plan); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRevoke is an order until the credential opens nothing, and that was read back.
func BenchmarkRevoke(b *testing.B) {
	c := start(b)
	d := c.open(b)
	all := c.prepared(b, d)
	for i := range b.N {
		if _, err := d.Grant(b.Context(), all[i].order, all[i].plan); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := d.Revoke(b.Context(), all[i].order, all[i].plan); err != nil {
			b.Fatal(err)
		}
		if presence, err := d.Observe(b.Context(), all[i].order, all[i].plan); err != nil || presence.State() != connector.Absent {
			b.Fatalf("Observe says %s: %v", presence.State(), err)
		}
	}
}

// prepared is an order with its plan for each round.
func (c *cluster) prepared(b *testing.B, d connector.Driver) (all []granted) {
	b.Helper()
	for range b.N {
		o := newOrder(b, entitlement("orders", "read"))
		p, err := d.Prepare(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, granted{order: o, plan: p})
	}
	return all
}

func BenchmarkBareGrant(b *testing.B) {
	c := start(b)
	b.ResetTimer()
	for i := range b.N {
		c.bareGrant(b, "bare-"+strconv.Itoa(i))
	}
}

func BenchmarkBareRevoke(b *testing.B) {
	c := start(b)
	for i := range b.N {
		c.bareGrant(b, "bare-"+strconv.Itoa(i))
	}
	b.ResetTimer()
	for i := range b.N {
		name := "bare-" + strconv.Itoa(i)
		c.must(b, http.MethodDelete, bindingsPath("orders")+"/"+name, nil)
		c.must(b, http.MethodDelete, accountsPath("curfew-accounts")+"/"+name, nil)
		c.awaitUser(b, "system:serviceaccount:curfew-accounts:"+name, "configmaps", false)
	}
}

// bareGrant does what a script of kubectl's would do.
func (c *cluster) bareGrant(b *testing.B, name string) {
	b.Helper()
	accounts := accountsPath("curfew-accounts")
	c.must(b, http.MethodPost, accounts, object{Metadata: metadata{Name: name}})
	c.must(b, http.MethodPost, accounts+"/"+name+"/token", map[string]any{"spec": map[string]any{"expirationSeconds": 3600}})
	c.must(b, http.MethodPost, bindingsPath("orders"), binding{
		object: object{Metadata: metadata{Name: name}}, RoleRef: roleRef{rbacGroup, kindClusterRole, "orders-read"},
		Subjects: []subject{{Kind: kindServiceAccount, Name: name, Namespace: "curfew-accounts"}},
	})
	c.awaitUser(b, "system:serviceaccount:curfew-accounts:"+name, "configmaps", true)
}
