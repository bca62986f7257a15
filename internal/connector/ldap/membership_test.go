package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

func order(permission string) connector.Order {
	o := connectortest.NewOrder(time.Now(), access.Entitlement{Connector: "directory", Resource: "payroll", Permission: permission})
	o.Account = hostile
	return o
}

func give(t *testing.T, d connector.Driver, o connector.Order) access.Plan {
	t.Helper()
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grant(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, o, p, connector.Present)
	return p
}

func revoke(t *testing.T, d connector.Driver, o connector.Order, p access.Plan) {
	t.Helper()
	if _, err := d.Revoke(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, d connector.Driver, o connector.Order, p access.Plan, want connector.AtomState) {
	t.Helper()
	presence, err := d.Observe(t.Context(), o, p)
	if err != nil || presence.State() != want {
		t.Errorf("it is %s, %v; want %s", presence.State(), err, want)
	}
}

func (p *peer) members(t *testing.T, group, attribute string) []string {
	t.Helper()
	found, err := p.root.Search(protocol.NewSearchRequest(group, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return found.Entries[0].GetAttributeValues(attribute)
}

// A group that must have a member gets the placeholder for its last one, and not before.
func TestLastMember(t *testing.T) {
	p := start(t)
	d := p.open(t, func(c *Config) { c.Placeholder = "cn=placeholder," + suffix })
	o := order("read")
	plan := give(t, d, o)
	p.modify(t, readers, func(r *protocol.ModifyRequest) { r.Delete("member", []string{nobody}) })
	revoke(t, d, o, plan)
	wantState(t, d, o, plan, connector.Absent)
	if got := p.members(t, readers, "member"); !slices.Equal(got, []string{"cn=placeholder," + suffix}) {
		t.Errorf("the members are %q", got)
	}
	again := give(t, d, o)
	revoke(t, d, o, again)
	if got := p.members(t, readers, "member"); !slices.Equal(got, []string{"cn=placeholder," + suffix}) {
		t.Errorf("after another grant the members are %q", got)
	}
}

// Without a placeholder the last member could not be taken away, so nobody is made one.
func TestNoPlaceholder(t *testing.T) {
	p := start(t)
	d := p.open(t, func(c *Config) { c.Placeholder = "" })
	if _, err := d.Prepare(t.Context(), order("read")); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "placeholder") {
		t.Errorf("%v", err)
	}
	if _, err := d.Prepare(t.Context(), order("unix")); err != nil {
		t.Errorf("a group that may be empty: %v", err)
	}
}

// A posixGroup holds names, and may be empty.
func TestUnixGroup(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("unix")
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, d, o, plan, connector.Absent)
	give(t, d, o)
	if got := p.members(t, unix, "memberUid"); !slices.Equal(got, []string{hostile}) {
		t.Errorf("the members are %q", got)
	}
	revoke(t, d, o, plan)
	wantState(t, d, o, plan, connector.Absent)
	if got := p.members(t, unix, "memberUid"); len(got) != 0 {
		t.Errorf("the members are %q", got)
	}
}

// Entries that are renamed and moved are still the ones that the grant is about.
func TestRenamed(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan := give(t, d, o)
	rename := func(dn, to, below string) {
		t.Helper()
		if err := p.root.ModifyDN(protocol.NewModifyDNRequest(dn, to, true, below)); err != nil {
			t.Fatal(err)
		}
	}
	rename(readers, "cn=renamed", "")
	rename("ou=groups,"+suffix, "ou=groups", "ou=services,"+suffix)
	// Where it is now, Curfew may not change it.
	wantState(t, d, o, plan, connector.Present)
	if _, err := d.Revoke(t.Context(), o, plan); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("Revoke of what may not be changed: %v", err)
	}
	rename("ou=groups,ou=services,"+suffix, "ou=groups", suffix)
	wantState(t, d, o, plan, connector.Present)
	revoke(t, d, o, plan)
	wantState(t, d, o, plan, connector.Absent)
	if got := p.members(t, "cn=renamed,ou=groups,"+suffix, "member"); !slices.Equal(got, []string{nobody}) {
		t.Errorf("the members are %q", got)
	}
}

// Who is deleted may still stand in a group, where nothing tidies references; and somebody else may have the name by now.
func TestDeletedAccount(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan := give(t, d, o)
	if err := p.root.Del(protocol.NewDelRequest(person(hostile), nil)); err != nil {
		t.Fatal(err)
	}
	wantState(t, d, o, plan, connector.Present)
	revoke(t, d, o, plan)
	wantState(t, d, o, plan, connector.Absent)
	if got := p.members(t, readers, "member"); !slices.Equal(got, []string{nobody}) {
		t.Errorf("the members are %q", got)
	}
	if _, err := d.Grant(t.Context(), o, plan); access.KindOf(err) != access.KindNotFound {
		t.Errorf("a grant to an account that is gone: %v", err)
	}
}

// A group that is not seen any more is unknown, whatever became of it.
func TestDeletedGroup(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan := give(t, d, o)
	if err := p.root.Del(protocol.NewDelRequest(readers, nil)); err != nil {
		t.Fatal(err)
	}
	revoke(t, d, o, plan)
	wantState(t, d, o, plan, connector.Unknown)
}

// Another directory, at the same address, is not believed and not touched.
func TestAnotherDirectory(t *testing.T) {
	first, second := start(t), start(t)
	d := first.open(t)
	o := order("read")
	plan := give(t, d, o)
	other := second.open(t)
	if _, err := other.Revoke(t.Context(), o, plan); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("Revoke: %v", err)
	}
	if presence, err := other.Observe(t.Context(), o, plan); err == nil {
		t.Errorf("Observe: %+v", presence)
	}
	revoke(t, d, o, plan)
}

func TestStrangeAccounts(t *testing.T) {
	p := start(t)
	d := p.open(t)
	for account, want := range map[string]access.Kind{
		"": access.KindInvalid, "nobody": access.KindNotFound, "*": access.KindNotFound, "BOB": access.KindNotFound, "bob)(uid=*": access.KindNotFound,
		"curfew": access.KindNotFound, strings.Repeat("x", 600): access.KindInvalid,
	} {
		o := order("read")
		o.Account = account
		if _, err := d.Prepare(t.Context(), o); err == nil || access.KindOf(err) != want {
			t.Errorf("Prepare for %q: %v, want an error of kind %s", account, err, want)
		}
	}
}

// Which of two people of one name is meant, nobody guesses.
func TestTwoOfOneName(t *testing.T) {
	p := start(t)
	d := p.open(t)
	for _, below := range []string{"ou=services,", "ou=payroll,"} {
		p.add(t, "cn=another,"+below+suffix, "objectClass", "inetOrgPerson", "sn", "Bob", "uid", "bob")
		o := order("read")
		o.Account = "bob"
		if _, err := d.Prepare(t.Context(), o); access.KindOf(err) != access.KindInvalid || !strings.Contains(err.Error(), "unique") {
			t.Errorf("with one more: %v", err)
		}
	}
}
