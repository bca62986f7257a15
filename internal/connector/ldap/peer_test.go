package ldap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/relaytest"
)

const (
	suffix = "dc=example,dc=com"
	// hostile is the name of an account that must be escaped wherever it stands.
	hostile = `O'Brien, "dba" (*)\+=#`
	// curfew is Curfew's own entry, which is what it is by a membership: so its rights can be taken.
	curfew   = "cn=curfew,ou=services," + suffix
	managers = "cn=managers,ou=services," + suffix
	nobody   = "cn=nobody,ou=services," + suffix
	readers  = "cn=payroll-read,ou=groups," + suffix
	admins   = "cn=payroll-admin,ou=groups," + suffix
	unix     = "cn=payroll-unix,ou=groups," + suffix
	nobodys  = "password of its own"
)

// page is what operators read; its rules are the ones that are tested.
const page = "../../../docs/connectors/ldap.md"

// rules let the members of a group read what it opens, and give Curfew what its page says.
func rules(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: access -->\n```\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the page has no rules")
	}
	opens := func(name, group string) string {
		return `to dn.base="cn=` + name + `,ou=payroll,` + suffix + `" by group.exact="` + group + `" read by * none`
	}
	all := []string{opens("read", readers), opens("admin", admins)}
	for rule := range strings.SplitSeq(strings.TrimPrefix(string(m[1]), "access "), "\naccess ") {
		all = append(all, rule)
	}
	return all
}

// peer is a directory with people, groups, and what groups open.
type peer struct {
	*localpeer.OpenLDAP
	root *protocol.Conn
}

func start(t testing.TB, change ...func(*localpeer.OpenLDAPOptions)) *peer {
	t.Helper()
	options := localpeer.OpenLDAPOptions{Access: rules(t)}
	for _, f := range change {
		f(&options)
	}
	server, err := localpeer.StartOpenLDAP(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	p := &peer{OpenLDAP: server}
	if p.root, err = server.Root(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.root.Close() })
	p.add(t, suffix, "objectClass", "domain", "dc", "example")
	for _, ou := range []string{"people", "groups", "services", "payroll"} {
		p.add(t, "ou="+ou+","+suffix, "objectClass", "organizationalUnit", "ou", ou)
	}
	for _, dn := range []string{curfew, nobody} {
		p.add(t, dn, "objectClass", "organizationalRole", "objectClass", "simpleSecurityObject", "userPassword", nobodys)
	}
	p.add(t, managers, "objectClass", "groupOfNames", "member", curfew, "member", nobody)
	p.add(t, readers, "objectClass", "groupOfNames", "member", nobody)
	p.add(t, admins, "objectClass", "groupOfNames", "member", nobody)
	p.add(t, unix, "objectClass", "posixGroup", "gidNumber", "4711")
	for _, name := range []string{hostile, "bob"} {
		p.add(t, person(name), "objectClass", "inetOrgPerson", "cn", name, "sn", name, "userPassword", nobodys)
	}
	for _, name := range []string{"read", "admin"} {
		p.add(t, "cn="+name+",ou=payroll,"+suffix, "objectClass", "organizationalRole", "description", "what it opens")
	}
	return p
}

func person(name string) string { return "uid=" + protocol.EscapeDN(name) + ",ou=people," + suffix }

// add makes an entry; what follows are attributes and values in turn.
func (p *peer) add(t testing.TB, dn string, pairs ...string) {
	t.Helper()
	r := protocol.NewAddRequest(dn, nil)
	values := map[string][]string{}
	for pair := range slices.Chunk(pairs, 2) {
		values[pair[0]] = append(values[pair[0]], pair[1])
	}
	for name, v := range values {
		r.Attribute(name, v)
	}
	if err := p.root.Add(r); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// modify changes an entry as its owner would.
func (p *peer) modify(t testing.TB, dn string, change func(*protocol.ModifyRequest)) {
	t.Helper()
	r := protocol.NewModifyRequest(dn, nil)
	change(r)
	if err := p.root.Modify(r); err != nil {
		t.Fatalf("modify %s: %v", dn, err)
	}
}

func (p *peer) config(t testing.TB, change ...func(*Config)) *Config {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.URL, c.BindDN, c.Password, c.Base, c.Placeholder = p.URL(), curfew, connectortest.SecretFile(t, nobodys), suffix, nobody
	c.Resources = map[string]Resource{"payroll": {Permissions: map[string]Permission{
		"read": {Groups: []string{readers}}, "admin": {Groups: []string{readers, admins}}, "unix": {Groups: []string{unix}},
	}}}
	for _, f := range change {
		f(c)
	}
	return c
}

func (p *peer) open(t testing.TB, change ...func(*Config)) connector.Driver {
	t.Helper()
	return connectortest.Open(t, "directory", nil, p.config(t, change...))
}

// reader is somebody who has logged in to the directory and reads what a permission opens.
type reader struct {
	*protocol.Conn
	opens string
}

func (p *peer) login(_ context.Context, e access.Entitlement, _ access.Credential) (connectortest.Session, error) {
	conn, err := protocol.DialURL(p.URL())
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(10 * time.Second)
	if err := conn.Bind(person(hostile), nobodys); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &reader{conn, "cn=" + e.Permission + ",ou=payroll," + suffix}, nil
}

func (r *reader) Use(context.Context) error {
	found, err := r.Search(protocol.NewSearchRequest(r.opens, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"description"}, nil))
	switch {
	case protocol.IsErrorAnyOf(err, protocol.LDAPResultNoSuchObject, protocol.LDAPResultInsufficientAccessRights):
		return fmt.Errorf("%w: %w", connectortest.ErrRefused, err)
	case err != nil:
		return err
	case len(found.Entries) == 0 || found.Entries[0].GetAttributeValue("description") == "":
		return connectortest.ErrRefused
	}
	return nil
}

func (r *reader) Close() { _ = r.Conn.Close() }

// snapshot is every entry with every attribute that people write.
func (p *peer) snapshot(t testing.TB, _ ...access.Mark) string {
	t.Helper()
	return strings.Join(p.values(t), "\n")
}

func (p *peer) values(t testing.TB) []string {
	t.Helper()
	found, err := p.root.Search(protocol.NewSearchRequest(suffix, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"*"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range found.Entries {
		for _, a := range e.Attributes {
			for _, v := range a.Values {
				lines = append(lines, e.DN+" "+a.Name+" "+v)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// dnOf finds an entry by its ID.
func (p *peer) dnOf(t testing.TB, id string) string {
	t.Helper()
	found, err := p.root.Search(protocol.NewSearchRequest(suffix, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 0, 0, false,
		"(entryUUID="+id+")", []string{"cn"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("find %s: %v", id, err)
	}
	return found.Entries[0].DN
}

// TestLaw holds the driver, as the account of the page, to the law of all drivers.
func TestLaw(t *testing.T) {
	p := start(t)
	relay := relaytest.NewDisturber(t, p.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return p.open(t, func(c *Config) { c.URL = "ldap://" + relay.Addr() })
		},
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "directory", Resource: "payroll", Permission: "read"},
		Another:     access.Entitlement{Connector: "directory", Resource: "payroll", Permission: "admin"},
		Account:     hostile,
		Login:       p.login,
		Snapshot:    p.snapshot,
		Give: func(t testing.TB, a access.Atom) {
			group, account := p.dnOf(t, a.Right), p.dnOf(t, a.Account)
			p.modify(t, group, func(r *protocol.ModifyRequest) { r.Add("member", []string{account}) })
			t.Cleanup(func() {
				r := protocol.NewModifyRequest(group, nil)
				r.Delete("member", []string{account})
				if err := p.root.Modify(r); err != nil && !protocol.IsErrorWithCode(err, protocol.LDAPResultNoSuchAttribute) {
					t.Error(err)
				}
			})
		},
		WaitPast: connectortest.AwaitPast,
		Blind: func(t testing.TB) func() {
			p.modify(t, managers, func(r *protocol.ModifyRequest) { r.Delete("member", []string{curfew}) })
			return func() { p.modify(t, managers, func(r *protocol.ModifyRequest) { r.Add("member", []string{curfew}) }) }
		},
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Without: map[connectortest.Capability]string{
			connectortest.MakeForeign: "memberships bear no mark", connectortest.MakeObject: "the account is the user's own",
			connectortest.Standing: "the law's own log-in is a standing one",
		},
	})
}
