package journey

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/localpeer"
)

const directoryConfig = `
server: {listen: %[1]s, url: 'http://%[1]s'}
store: sqlite:./curfew.db
directory:
  static:
    - {id: carol, kind: human, groups: [platform], token: env:CAROL_TOKEN}
  ldap:
    name: corp
    url: %[2]s
    bind_dn: cn=curfew,dc=example,dc=com
    password: env:LDAP_PASSWORD
    base: ou=people,dc=example,dc=com
    attributes: {mail: mail}
    groups: {base: 'ou=groups,dc=example,dc=com'}
  oidc:
    issuer: %[3]s
    client_id: curfew
    client_secret: env:OIDC_SECRET
    scopes: [email]
    accounts: {of: corp, claim: email, attribute: mail}
roles: {admin: ['group:platform']}
`

// people makes Alice in a directory, in a group, and an account that reads it. Bob is known to the identity provider alone.
func (h *house) people(directory *localpeer.OpenLDAP) *ldap.Conn {
	h.Helper()
	root, err := directory.Root()
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = root.Close() })
	const suffix = "dc=example,dc=com"
	alice := "uid=alice,ou=people," + suffix
	for _, entry := range []struct {
		dn         string
		attributes map[string][]string
	}{
		{suffix, map[string][]string{"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"}}},
		{"cn=curfew," + suffix, map[string][]string{"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"curfew"}, "userPassword": {"the directory's password"}}},
		{"ou=people," + suffix, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"people"}}},
		{"ou=groups," + suffix, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"groups"}}},
		{alice, map[string][]string{"objectClass": {"inetOrgPerson"}, "cn": {"Alice Adler"}, "sn": {"Adler"}, "mail": {"alice@acme.example"}}},
		{"cn=payments,ou=groups," + suffix, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"payments"}, "member": {alice}}},
	} {
		add := ldap.NewAddRequest(entry.dn, nil)
		for name, values := range entry.attributes {
			add.Attribute(name, values)
		}
		if err := root.Add(add); err != nil {
			h.Fatalf("%s: %v", entry.dn, err)
		}
	}
	return root
}

// TestDirectory has somebody sign in at an OpenID provider who is of an LDAP directory, and lose all when she leaves that.
func TestDirectory(t *testing.T) {
	h := newHouse(t)
	directory, err := localpeer.StartOpenLDAP(t.Context(), localpeer.OpenLDAPOptions{Access: []string{"to attrs=userPassword by anonymous auth", "to * by users read by anonymous auth"}, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = directory.Stop() })
	root := h.people(directory)
	h.env = append(h.env, "LDAP_PASSWORD=the directory's password")
	h.serveOn(fmt.Sprintf(directoryConfig, strings.TrimPrefix(h.url, "http://"), directory.URL(), h.issuer))
	h.server.await(`"msg":"a directory was taken over"`)

	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	type principal struct {
		Principal, Name string
		Groups          []string
	}
	me := read[principal](t, h.must("alice", "whoami", "-o", "json"))
	if !strings.HasPrefix(me.Principal, "corp/") || me.Name != "Alice Adler" || strings.Join(me.Groups, " ") != "corp/payments" {
		t.Errorf("whoami: %+v", me)
	}

	// Nobody but those of the directory is signed in, whoever the provider knows.
	if err := root.Del(ldap.NewDelRequest("cn=payments,ou=groups,dc=example,dc=com", nil)); err != nil {
		t.Fatal(err)
	}
	if err := root.Del(ldap.NewDelRequest("uid=alice,ou=people,dc=example,dc=com", nil)); err != nil {
		t.Fatal(err)
	}
	add := ldap.NewAddRequest("uid=eve,ou=people,dc=example,dc=com", nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "cn": "Eve", "sn": "Eve"} {
		add.Attribute(name, []string{value})
	}
	if err := root.Add(add); err != nil {
		t.Fatal(err)
	}
	if err := h.server.cmd.Process.Signal(syscall.SIGHUP); err != nil { // reads it at once
		t.Fatal(err)
	}
	h.server.await(`"msg":"principal.gone"`)
	if _, said, code := h.curfew("alice", "whoami"); code != 3 {
		t.Errorf("who has left: exit code %d, %s", code, said)
	}
}
