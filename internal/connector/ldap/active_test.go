package ldap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	adSuffix = localpeer.SambaSuffix
	adCurfew = "CN=curfew,CN=Users," + adSuffix
	// adHostile is as odd as the names of Windows may be.
	adHostile   = `O'Brien (dba)#!`
	adPassword  = "Passw0rd-of-its-own"
	adReaders   = "CN=payroll-read,OU=groups," + adSuffix
	adAdmins    = "CN=payroll-admin,OU=groups," + adSuffix
	memberGUID  = "bf9679c0-0de6-11d0-a285-00aa003049e2"
	groupGUID   = "bf967a9c-0de6-11d0-a285-00aa003049e2"
	globalGroup = "-2147483646"
)

// domain is an Active Directory with people and groups.
type domain struct {
	*localpeer.Samba
	root *protocol.Conn
	// sid is Curfew's own.
	sid string
}

func startDomain(t *testing.T) *domain {
	t.Helper()
	server, err := localpeer.StartSamba(t.Context(), localpeer.SambaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	d := &domain{Samba: server}
	if d.root, err = server.Administrator(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.root.Close() })
	for _, name := range []string{"curfew", "placeholder", "bob", adHostile} {
		d.tool(t, "user", "create", name, adPassword, "--use-username-as-cn")
	}
	add := func(dn string, pairs ...string) {
		t.Helper()
		r := protocol.NewAddRequest(dn, nil)
		for pair := range slices.Chunk(pairs, 2) {
			r.Attribute(pair[0], pair[1:])
		}
		if err := d.root.Add(r); err != nil {
			t.Fatalf("add %s: %v", dn, err)
		}
	}
	add("OU=groups,"+adSuffix, "objectClass", "organizationalUnit")
	for _, name := range []string{"payroll-read", "payroll-admin"} {
		add("CN="+name+",OU=groups,"+adSuffix, "objectClass", "group", "sAMAccountName", name, "groupType", globalGroup)
	}
	d.tool(t, "group", "addmembers", "payroll-read", "placeholder")
	d.tool(t, "group", "addmembers", "payroll-admin", "placeholder")
	d.sid = d.sidOf(t, adCurfew)
	// As the page says: write the members of the groups in this unit, and nothing else.
	d.tool(t, "dsacl", "set", "--objectdn=OU=groups,"+adSuffix, "--sddl=(OA;CIIO;WP;"+memberGUID+";"+groupGUID+";"+d.sid+")")
	return d
}

func (d *domain) tool(t testing.TB, args ...string) {
	t.Helper()
	if err := d.Tool(context.WithoutCancel(t.Context()), append(args, "-H", d.Database())...); err != nil {
		t.Fatal(err)
	}
}

// sidOf is the security identifier of an entry, as text (MS-DTYP 2.4.2).
func (d *domain) sidOf(t testing.TB, dn string) string {
	t.Helper()
	raw := d.attribute(t, dn, "objectSid")
	if len(raw) < 8 {
		t.Fatalf("%s has the security identifier %x", dn, raw)
	}
	var authority [8]byte
	copy(authority[2:], raw[2:8])
	text := fmt.Sprintf("S-%d-%d", raw[0], binary.BigEndian.Uint64(authority[:]))
	for part := range slices.Chunk(raw[8:], 4) {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(part))
	}
	return text
}

func (d *domain) attribute(t testing.TB, dn, name string) []byte {
	t.Helper()
	found, err := d.root.Search(protocol.NewSearchRequest(dn, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{name}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read %s: %v", dn, err)
	}
	return found.Entries[0].GetRawAttributeValue(name)
}

func (d *domain) open(t testing.TB, url string) connector.Driver {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.URL, c.BindDN, c.Password, c.Base, c.AccountAttribute = url, adCurfew, connectortest.SecretFile(t, adPassword), adSuffix, "sAMAccountName"
	c.Placeholder = "CN=placeholder,CN=Users," + adSuffix
	c.Resources = map[string]Resource{"payroll": {Permissions: map[string]Permission{
		"read": {Groups: []string{adReaders}}, "admin": {Groups: []string{adReaders, adAdmins}},
	}}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	driver, err := c.Open(connector.Env{Name: "directory", Clock: access.SystemClock{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}

// token is a log-in, and what the domain controller takes it for: the groups in its token, which every decision of Windows
// rests on (MS-ADTS 3.1.1.3.2.10).
type token struct {
	*protocol.Conn
	group []byte
}

func (d *domain) login(t testing.TB) func(context.Context, access.Entitlement, access.Credential) (connectortest.Session, error) {
	opens := map[string][]byte{"read": d.attribute(t, adReaders, "objectSid"), "admin": d.attribute(t, adAdmins, "objectSid")}
	return func(_ context.Context, e access.Entitlement, _ access.Credential) (connectortest.Session, error) {
		conn, err := protocol.DialURL(d.URL())
		if err != nil {
			return nil, err
		}
		conn.SetTimeout(10 * time.Second)
		if err := conn.Bind("CN="+protocol.EscapeDN(adHostile)+",CN=Users,"+adSuffix, adPassword); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return &token{conn, opens[e.Permission]}, nil
	}
}

func (s *token) Use(context.Context) error {
	found, err := s.Search(protocol.NewSearchRequest("", protocol.ScopeBaseObject, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"tokenGroups"}, nil))
	if err != nil {
		return err
	}
	groups := found.Entries[0].GetRawAttributeValues("tokenGroups")
	if len(groups) == 0 {
		return errors.New("the token has no groups at all")
	}
	if !slices.ContainsFunc(groups, func(g []byte) bool { return bytes.Equal(g, s.group) }) {
		return connectortest.ErrRefused
	}
	return nil
}

func (s *token) Close() { _ = s.Conn.Close() }

// snapshot is who is in which group, and what there is.
func (d *domain) snapshot(t testing.TB, _ ...access.Mark) string {
	t.Helper()
	found, err := d.root.SearchWithPaging(protocol.NewSearchRequest(adSuffix, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 0, 0, false,
		"(|(objectClass=group)(objectClass=user))", []string{"member", "description", "userAccountControl", "groupType"}, nil), 500)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range found.Entries {
		lines = append(lines, e.DN)
		for _, a := range e.Attributes {
			for _, v := range a.Values {
				lines = append(lines, e.DN+" "+a.Name+" "+v)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (d *domain) dnOf(t testing.TB, id string) string {
	t.Helper()
	s := &session{dialect: dialect{active: true, id: "objectGUID"}}
	found, err := d.root.Search(protocol.NewSearchRequest(adSuffix, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 0, 0, false,
		"(objectGUID="+s.escapeID(id)+")", []string{"cn"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("find %s: %v", id, err)
	}
	return found.Entries[0].DN
}

// dacl asks for the part of a security descriptor that says who may do what (MS-ADTS 3.1.1.3.4.1.11).
func dacl() protocol.Control { return &protocol.ControlMicrosoftSDFlags{ControlValue: 4} }

// rules are who may do what with an entry.
func (d *domain) rules(t testing.TB, dn string) []byte {
	t.Helper()
	found, err := d.root.Search(protocol.NewSearchRequest(dn, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"nTSecurityDescriptor"}, []protocol.Control{dacl()}))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read the rules of %s: %v", dn, err)
	}
	return found.Entries[0].GetRawAttributeValue("nTSecurityDescriptor")
}

// TestLawOnActiveDirectory holds the driver to the law of all drivers, on Samba's directory.
func TestLawOnActiveDirectory(t *testing.T) {
	d := startDomain(t)
	relay := relaytest.NewDisturber(t, d.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open:        func(t testing.TB) connector.Driver { return d.open(t, "ldap://"+relay.Addr()) },
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "directory", Resource: "payroll", Permission: "read"},
		Another:     access.Entitlement{Connector: "directory", Resource: "payroll", Permission: "admin"},
		Account:     adHostile,
		Login:       d.login(t),
		Snapshot:    d.snapshot,
		Give: func(t testing.TB, a access.Atom) {
			group, account := d.dnOf(t, a.Right), d.dnOf(t, a.Account)
			change := func(of func(*protocol.ModifyRequest)) error {
				r := protocol.NewModifyRequest(group, nil)
				of(r)
				return d.root.Modify(r)
			}
			if err := change(func(r *protocol.ModifyRequest) { r.Add("member", []string{account}) }); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = change(func(r *protocol.ModifyRequest) { r.Delete("member", []string{account}) }) // the case may have taken it
			})
		},
		WaitPast: connectortest.AwaitPast,
		Blind: func(t testing.TB) func() {
			before := d.rules(t, adReaders)
			d.tool(t, "dsacl", "set", "--objectdn="+adReaders, "--sddl=(OD;;RP;"+memberGUID+";;"+d.sid+")")
			return func() {
				r := protocol.NewModifyRequest(adReaders, []protocol.Control{dacl()})
				r.Replace("nTSecurityDescriptor", []string{string(before)})
				if err := d.root.Modify(r); err != nil {
					t.Error(err)
				}
			}
		},
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Without: map[connectortest.Capability]string{
			connectortest.MakeForeign: "memberships bear no mark", connectortest.MakeObject: "the account is the user's own",
			connectortest.Standing: "the law's own log-in is a standing one",
		},
	})
}
