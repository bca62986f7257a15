package mongodb

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/curfewhq/curfew/internal/access"
)

// FuzzNames gives a role of any name to somebody of any name and takes it back: nothing but the one user of the grant changes,
// whatever the names would mean in a command, an expression or a path.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"read", "$where", "$currentOp", "a.b", "customData.curfew", "{}", `{"$ne": 1}`, `"`, "'; db.dropDatabase(); //", "\x00", "a\xff", "*", "//", "\n",
		"root", "dbOwner", "__system", "orders reader", "İ", "💥", "ali\u200bce",
	} {
		f.Add("alice", name)
		f.Add(name, "read")
	}
	p := start(f)
	made := map[string]bool{"read": true}
	f.Fuzz(func(t *testing.T, subject, role string) {
		if checkRole(Role{role, "orders"}) != nil {
			return // the configuration is refused
		}
		if !made[role] {
			made[role] = true
			p.command(t, "orders", bson.D{{Key: "createRole", Value: role}, {Key: "privileges", Value: bson.A{}}, {Key: "roles", Value: bson.A{}}})
		}
		before := p.snapshot(t)
		d := p.open(t, func(c *Config) {
			c.Resources["orders"].Permissions["read"] = Permission{Roles: []Role{{role, "orders"}}}
		})
		o := order("read")
		o.Principal = access.PrincipalID{Issuer: subject, Subject: subject}
		plan, _ := give(t, d, o)
		if p.snapshot(t, o.Mark) != before {
			t.Error("more than the user of the grant has changed")
		}
		if _, err := d.Revoke(t.Context(), o, plan); err != nil {
			t.Error(err)
		}
		if p.snapshot(t) != before {
			t.Error("something is left")
		}
	})
}
