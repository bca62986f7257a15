package mongodbatlas

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// FuzzNames gives access on a database of any name to somebody of any name, and takes it back: nothing but the one user of the
// grant changes, whatever the names would mean in an address.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"alice", "..", "../../groups", "a/b", "a%2Fb", "?x=y", "#", "\x00", "a\xff", `"`, "{}", "\n", "İ", "💥", "ali\u200bce"} {
		f.Add(name, "orders")
		f.Add("alice", name)
	}
	e, server := startEmulated(f)
	e.put(user{Username: "bob", Database: authDatabase, Password: "his own", Roles: []role{{"orders", "read"}}, Scopes: []scope{{cluster, "CLUSTER"}}, Labels: []label{{"team", "ours"}}})
	before := e.snapshot(f)
	f.Fuzz(func(t *testing.T, subject, database string) {
		c := config(t, server.URL)
		c.Resources["orders"].Permissions["read"] = Permission{Roles: []Role{{"read", database}}}
		if c.Validate() != nil {
			return // the configuration is refused
		}
		opened, err := c.Open(connector.Env{Name: "orders-db", Clock: e.clock})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		d := opened.(*driver)
		o := order(e)
		o.Principal = access.PrincipalID{Issuer: subject, Subject: subject}
		p := give(t, d, o)
		if e.snapshot(t, o.Mark) != before {
			t.Error("more than the user of the grant has changed")
		}
		if _, err := d.Revoke(t.Context(), o, p); err != nil {
			t.Error(err)
		}
		if e.snapshot(t) != before {
			t.Error("something is left")
		}
	})
}
