package ldap_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/ldap"
	"github.com/curfewhq/curfew/internal/ldapdial"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestPeopleOfActiveDirectory reads a real domain: Samba's, which has Active Directory's schema and its rule for groups in groups.
func TestPeopleOfActiveDirectory(t *testing.T) {
	samba, err := localpeer.StartSamba(t.Context(), localpeer.SambaOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = samba.Stop() })
	admin, err := samba.Administrator()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	const password = "Reader-1-passes"
	tool := func(args ...string) {
		t.Helper()
		if err := samba.Tool(t.Context(), append(args, "-H", samba.Database())...); err != nil {
			t.Fatal(err)
		}
	}
	tool("user", "create", "curfew", password)
	for _, name := range []string{"alice", "bob", "cy", "over"} {
		tool("user", "create", name, "Unused-1-"+name, "--given-name="+name, "--mail-address="+name+"@acme.example")
	}
	for _, name := range []string{"payments", "leads", "hidden (all)"} {
		tool("group", "add", name)
	}
	tool("group", "addmembers", "leads", "bob,cy")
	tool("group", "addmembers", "hidden (all)", "leads")
	tool("group", "addmembers", "payments", "alice,hidden (all)")
	tool("user", "disable", "cy")
	tool("user", "setexpiry", "over", "--days=1")
	tool("user", "setexpiry", "bob", "--days=3")
	tool("user", "setexpiry", "alice", "--noexpiry")

	const base = "cn=Users," + localpeer.SambaSuffix
	guid := func(name string) string {
		t.Helper()
		found, err := admin.Search(protocol.NewSearchRequest("cn="+name+","+base, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"objectGUID"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		return ldapdial.GUIDText(found.Entries[0].GetRawAttributeValue("objectGUID"))
	}
	change := protocol.NewModifyRequest("cn=alice,"+base, nil)
	change.Replace("manager", []string{"CN=bob," + base})
	if err := admin.Modify(change); err != nil {
		t.Fatal(err)
	}

	source := ldap.New(ldap.Config{
		Server: ldapdial.Server{URL: samba.URL(), BindDN: "cn=curfew," + base, Password: password}, Base: localpeer.SambaSuffix,
		Filter: "(&(objectCategory=person)(objectClass=user)(mail=*))", Attributes: map[string]string{"mail": "mail"},
		Groups: ldap.Groups{Base: base, Filter: "(|(cn=payments)(cn=leads))"},
	}, func() time.Time { return time.Now().Add(2 * 24 * time.Hour) })
	got, err := source.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b identity.Account) int { return strings.Compare(a.Attributes["mail"], b.Attributes["mail"]) })
	want := []identity.Account{
		{Subject: guid("alice"), Name: "alice", Groups: []string{"payments"}, Attributes: map[string]string{"mail": "alice@acme.example"}, Manager: guid("bob")},
		// By way of a group that is not read itself.
		{Subject: guid("bob"), Name: "bob", Groups: []string{"leads", "payments"}, Attributes: map[string]string{"mail": "bob@acme.example"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if id := guid("alice"); len(id) != 36 || strings.Count(id, "-") != 4 {
		t.Errorf("a GUID is %q", id)
	}
}
