package mongodb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// TestRolesThatAreTooStrong makes roles with which a user could outlive the grant, directly or by another role.
func TestRolesThatAreTooStrong(t *testing.T) {
	p := start(t)
	makeRole := func(name string, roles bson.A, privileges ...bson.D) {
		p.command(t, "orders", bson.D{{Key: "createRole", Value: name}, {Key: "privileges", Value: privileges}, {Key: "roles", Value: roles}})
	}
	may := func(resource bson.D, actions ...string) bson.D {
		return bson.D{{Key: "resource", Value: resource}, {Key: "actions", Value: actions}}
	}
	orders, users := database("orders").document(), collection("admin", "system.users").document()
	none := bson.A{}
	makeRole("reports", none, may(orders, "find"), may(collection("orders", "reports").document(), "insert"))
	makeRole("users", none, may(orders, "createUser"))
	makeRole("nested", bson.A{bson.D{{Key: "role", Value: "users"}, {Key: "db", Value: "orders"}}}, may(orders, "find"))
	makeRole("mark", none, may(orders, "changeOwnCustomData"))
	makeRole("killer", none, may(cluster().document(), "killop"))
	makeRole("documents", none, may(users, "update"))
	makeRole("readers", none, may(users, "find"))
	makeRole("everywhere", none, may(resource{Any: true}.document(), "insert"))
	for role, danger := range map[string]string{
		"reports": "", "readers": "", "users": "createUser", "nested": "createUser", "mark": "changeOwnCustomData", "killer": "killop",
		"documents": "update on admin.system.users", "everywhere": "insert on admin.system.users", "nobody made it": "does not exist",
	} {
		t.Run(role, func(t *testing.T) {
			d := p.open(t, func(c *Config) {
				c.Resources["orders"].Permissions["read"] = Permission{Roles: []Role{{"read", "orders"}, {role, "orders"}}}
			})
			_, err := d.Prepare(t.Context(), order("read"))
			_, health := d.Check(t.Context())
			if danger == "" {
				if err != nil || health != nil {
					t.Errorf("refused: %v, %v", err, health)
				}
				return
			}
			wantKind(t, err, access.KindMisconfigured)
			wantKind(t, health, access.KindMisconfigured)
			if err != nil && !strings.Contains(err.Error(), danger) {
				t.Errorf("the error is %v, want it to name %s", err, danger)
			}
			for r, err := range d.Discover(t.Context()) {
				if err != nil || r.Name == "orders" && len(r.Permissions) != 1 {
					t.Errorf("Discover: %+v, %v", r, err)
				}
			}
		})
	}
}

// TestPrivilegesOfThePage takes each of the privileges of the page in turn: something no longer works, and is said to be an
// operator's to mend. So none of them is asked for in vain.
func TestPrivilegesOfThePage(t *testing.T) {
	p := start(t)
	for _, name := range []string{"curfew", "curfewObserver"} {
		role := Role{name, admin}
		p.mu.Lock()
		all := p.roles[role]
		p.mu.Unlock()
		for i, privilege := range all {
			for _, action := range privilege.Actions {
				less := slices.Clone(all)
				less[i].Actions = slices.DeleteFunc(slices.Clone(privilege.Actions), func(a string) bool { return a == action })
				t.Run(fmt.Sprintf("%s %s on %v", name, action, privilege.Resource.document()), func(t *testing.T) {
					p.setPrivileges(role, less)
					t.Cleanup(func() { p.setPrivileges(role, all) })
					if err := p.wholeLife(t); access.KindOf(err) != access.KindMisconfigured {
						t.Errorf("without it: %v", err)
					}
				})
			}
		}
	}
	if err := p.wholeLife(t); err != nil {
		t.Errorf("with all of them: %v", err)
	}
}

func (p *peer) setPrivileges(r Role, all []privilege) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roles[r] = all
}

// wholeLife leads a grant of each kind through everything that a driver does, with an operation under way that belongs to no
// session.
func (p *peer) wholeLife(t *testing.T) error {
	t.Helper()
	ctx := t.Context()
	d := p.open(t)
	if _, err := d.Check(ctx); err != nil {
		return err
	}
	for _, resource := range []string{"orders", "billing"} {
		o := order("read")
		o.Entitlement.Resource = resource
		plan, err := d.Prepare(ctx, o)
		if err != nil {
			return err
		}
		if _, err := d.Grant(ctx, o, plan); err != nil {
			return err
		}
		t.Cleanup(func() { p.dropAll(t) })
		out, err := d.Grant(ctx, o, plan)
		if err != nil {
			return err
		}
		if err := p.endBusy(t, d, o, plan, *out.Credential); err != nil {
			return err
		}
		if _, err := d.Observe(ctx, o, plan); err != nil {
			return err
		}
	}
	for _, err := range d.List(ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

// endBusy revokes while an operation of the user's runs.
func (p *peer) endBusy(t *testing.T, d *driver, o connector.Order, plan access.Plan, c access.Credential) error {
	t.Helper()
	s, err := p.login(t.Context(), o.Entitlement, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go s.(*login).client.Database(o.Entitlement.Resource).Collection("items").FindOne(context.Background(),
		bson.D{{Key: "$where", Value: "sleep(3600000)"}}, options.FindOne().SetComment("without a session"))
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.awaitActive(t, v.name())
	_, err = d.Revoke(t.Context(), o, plan)
	return err
}

// dropAll removes what a driver without a privilege could not.
func (p *peer) dropAll(t *testing.T) {
	p.mu.Lock()
	all := slices.Collect(maps.Keys(p.users))
	p.mu.Unlock()
	for _, u := range all {
		if u.DB == "curfew" {
			p.command(t, u.DB, bson.D{{Key: "dropUser", Value: u.User}})
		}
	}
}
