package ldap_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/ldap"
	"github.com/curfewhq/curfew/internal/ldapdial"
	"github.com/curfewhq/curfew/internal/localpeer"
)

const (
	suffix     = "dc=example,dc=com"
	readerDN   = "cn=curfew,ou=services," + suffix
	shortDN    = "cn=short,ou=services," + suffix
	readerPass = "the reader's password"
)

// slapd is a directory with people and groups, and Curfew's account that may read them (docs/directory.md).
type slapd struct {
	testing.TB
	*localpeer.OpenLDAP
	root *protocol.Conn
}

func newSlapd(t testing.TB, o localpeer.OpenLDAPOptions) *slapd {
	t.Helper()
	o.Progress = t.Output()
	o.Access = append(o.Access,
		`to attrs=userPassword by anonymous auth by * none`,
		`to dn.subtree="ou=people,`+suffix+`" by dn.one="ou=services,`+suffix+`" read by * none`,
		`to dn.subtree="ou=groups,`+suffix+`" by dn.one="ou=services,`+suffix+`" read by * none`,
		`to * by dn.one="ou=services,`+suffix+`" search by anonymous auth by * none`,
	)
	server, err := localpeer.StartOpenLDAP(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	s := &slapd{TB: t, OpenLDAP: server}
	if s.root, err = server.Root(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.root.Close() })
	s.add(suffix, "dcObject organization", "dc", "example", "o", "Example")
	for _, unit := range []string{"people", "groups", "services"} {
		s.add("ou="+unit+","+suffix, "organizationalUnit", "ou", unit)
	}
	for name, dn := range map[string]string{"curfew": readerDN, "short": shortDN} {
		s.add(dn, "organizationalRole simpleSecurityObject", "cn", name, "userPassword", readerPass)
	}
	return s
}

// add makes an entry of classes, and of attributes and values in turn.
func (s *slapd) add(dn, classes string, pairs ...string) {
	s.Helper()
	r := protocol.NewAddRequest(dn, nil)
	r.Attribute("objectClass", strings.Fields(classes))
	values := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = append(values[pairs[i]], pairs[i+1])
	}
	for name, list := range values {
		r.Attribute(name, list)
	}
	if err := s.root.Add(r); err != nil {
		s.Fatalf("%s: %v", dn, err)
	}
}

func personDN(uid string) string { return "uid=" + protocol.EscapeDN(uid) + ",ou=people," + suffix }
func groupDN(cn string) string   { return "cn=" + protocol.EscapeDN(cn) + ",ou=groups," + suffix }

func (s *slapd) person(uid string, more ...string) {
	s.Helper()
	s.add(personDN(uid), "inetOrgPerson", append([]string{"uid", uid, "cn", uid + " common", "sn", uid}, more...)...)
}

func (s *slapd) group(cn string, members ...string) {
	s.Helper()
	pairs := []string{"cn", cn}
	for _, m := range members {
		pairs = append(pairs, "member", m)
	}
	s.add(groupDN(cn), "groupOfNames", pairs...)
}

// id is what the directory knows an entry by for ever.
func (s *slapd) id(dn string) string {
	s.Helper()
	found, err := s.root.Search(protocol.NewSearchRequest(dn, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"entryUUID"}, nil))
	if err != nil {
		s.Fatal(err)
	}
	return found.Entries[0].GetAttributeValue("entryUUID")
}

func (s *slapd) config() ldap.Config {
	return ldap.Config{
		Server: ldapdial.Server{URL: s.URL(), BindDN: readerDN, Password: readerPass}, Base: "ou=people," + suffix,
		Attributes: map[string]string{"mail": "mail"}, Groups: ldap.Groups{Base: "ou=groups," + suffix},
	}
}

func (s *slapd) list(c ldap.Config) ([]identity.Account, error) {
	return ldap.New(c, time.Now).List(s.Context())
}

func TestPeopleOfOpenLDAP(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{})
	s.person("bob", "mail", "bob@acme.example")
	s.person("alice", "displayName", "Alice Adler", "mail", "z@acme.example", "mail", "alice@acme.example", "manager", personDN("bob"))
	s.person("cy,(*)\\ü", "manager", "cn=nobody,"+suffix)
	s.group("leads", personDN("bob"))
	s.group("payments", personDN("alice"), groupDN("leads"))
	s.group("Everybody", groupDN("payments"), strings.ToUpper(personDN("cy,(*)\\ü")))
	s.group("empty", "cn=placeholder")
	s.add("cn=shell,ou=groups,"+suffix, "posixGroup", "cn", "shell", "gidNumber", "7", "memberUid", "alice")

	got, err := s.list(s.config())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b identity.Account) int { return strings.Compare(a.Name, b.Name) })
	want := []identity.Account{
		{
			Subject: s.id(personDN("alice")), Name: "Alice Adler", Groups: []string{"Everybody", "payments", "shell"},
			Attributes: map[string]string{"mail": "alice@acme.example"}, Manager: s.id(personDN("bob")),
		},
		{Subject: s.id(personDN("bob")), Name: "bob common", Groups: []string{"Everybody", "leads", "payments"}, Attributes: map[string]string{"mail": "bob@acme.example"}},
		{Subject: s.id(personDN("cy,(*)\\ü")), Name: "cy,(*)\\ü common", Groups: []string{"Everybody"}, Attributes: map[string]string{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// An entry that moves is the same; one that is made anew in its place is another.
	before := s.id(personDN("bob"))
	if err := s.root.ModifyDN(protocol.NewModifyDNRequest(personDN("bob"), "uid=robert", true, "")); err != nil {
		t.Fatal(err)
	}
	s.person("bob")
	if got, err = s.list(s.config()); err != nil || len(got) != 4 {
		t.Fatalf("%d people, %v", len(got), err)
	}
	for _, a := range got {
		// The group lists the name, which is the new one's now: slapo-refint would have followed the old one.
		if isOld := a.Subject == before; isOld && len(a.Groups) != 0 || !isOld && a.Name == "bob common" && len(a.Groups) != 3 {
			t.Errorf("%+v", a)
		}
	}
}

// Groups mean people by what their entries are called, whatever case and spaces that is written with, and by each uid that they have.
// Two of one uid are nobody's to tell apart.
func TestNamesInOpenLDAP(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{})
	dee := "cn=Dee  Adler,ou=people," + suffix
	s.add(dee, "inetOrgPerson", "cn", "Dee  Adler", "sn", "Adler", "uid", "dee")
	written := "cn=dee adler,ou=People," + suffix
	if s.id(written) != s.id(dee) {
		t.Fatal("the server tells the two names apart")
	}
	s.group("payments", written)
	s.person("bob", "uid", "bobby")
	s.add("cn=shell,ou=groups,"+suffix, "posixGroup", "cn", "shell", "gidNumber", "7", "memberUid", "bobby")
	got, err := s.list(s.config())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range got {
		want := map[string]string{s.id(dee): "payments", s.id(personDN("bob")): "shell"}[a.Subject]
		if len(a.Groups) != 1 || a.Groups[0] != want {
			t.Errorf("%s is in %v, want %s", a.Name, a.Groups, want)
		}
	}
	s.add("ou=guests,ou=people,"+suffix, "organizationalUnit", "ou", "guests")
	s.add("uid=dee,ou=guests,ou=people,"+suffix, "inetOrgPerson", "cn", "Another", "sn", "A", "uid", "dee")
	if got, err := s.list(s.config()); err != nil || len(got) != 3 {
		t.Errorf("two of one uid that no group has: %d people, %v", len(got), err)
	}
	s.add("uid=bobby,ou=guests,ou=people,"+suffix, "inetOrgPerson", "cn", "Impostor", "sn", "I", "uid", "bobby")
	if got, err := s.list(s.config()); err == nil || !strings.Contains(err.Error(), "have the same uid") {
		t.Errorf("two of one uid that a group has: %v, %v", got, err)
	}
}

// Whoever is disabled is not listed.
func TestDisabledInOpenLDAP(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{PasswordPolicy: true})
	for _, uid := range []string{"stays", "locked", "wrong"} {
		s.person(uid)
	}
	for uid, since := range map[string]string{"locked": "000001010000Z", "wrong": "20260101000000Z"} {
		change := protocol.NewModifyRequest(personDN(uid), []protocol.Control{protocol.NewControlString(relax, true, "")})
		change.Add("pwdAccountLockedTime", []string{since})
		if err := s.root.Modify(change); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.list(s.config())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range got {
		names = append(names, a.Name)
	}
	if slices.Sort(names); strings.Join(names, ", ") != "stays common, wrong common" {
		t.Errorf("listed: %s", names)
	}
}

// relax lets the root write what is the server's own (draft-zeilenga-ldap-relax).
const relax = "1.3.6.1.4.1.4203.666.5.12"

// More people than a page, and than the server gives anybody.
func TestManyInOpenLDAP(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{Limits: []string{`dn.exact="` + readerDN + `" size=unlimited`}})
	const many = 1203
	for i := range many {
		s.person(fmt.Sprintf("u%04d", i))
	}
	var members []string
	for i := range many {
		members = append(members, personDN(fmt.Sprintf("u%04d", i)))
	}
	s.group("all", members...)
	// slapd gives 500 entries, unless somebody is given more.
	short := s.config()
	short.Server.BindDN = shortDN
	if _, err := s.list(short); access.KindOf(err) != access.KindExhausted {
		t.Errorf("a list that is cut short: %v", err)
	}
	got, err := s.list(s.config())
	if err != nil {
		t.Fatal(err)
	}
	subjects := map[string]bool{}
	for _, a := range got {
		subjects[a.Subject] = true
		if !slices.Equal(a.Groups, []string{"all"}) {
			t.Fatalf("%+v", a)
		}
	}
	if len(subjects) != many {
		t.Errorf("%d of %d people", len(subjects), many)
	}
}

// Groups that are in each other, and those that are too deep.
func TestNestedInOpenLDAP(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{})
	s.person("alice")
	s.group("a", personDN("alice"), groupDN("b"))
	s.group("b", groupDN("a"))
	got, err := s.list(s.config())
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Groups, []string{"a", "b"}) {
		t.Errorf("groups in each other: %+v, %v", got, err)
	}
	for i := range 17 {
		below := personDN("alice")
		if i > 0 {
			below = groupDN(fmt.Sprintf("deep%02d", i-1))
		}
		s.group(fmt.Sprintf("deep%02d", i), below)
	}
	if got, err := s.list(s.config()); err != nil || len(got[0].Groups) != 19 {
		t.Errorf("17 deep: %+v, %v", got, err)
	}
	s.group("deep17", groupDN("deep16"))
	if _, err := s.list(s.config()); err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Errorf("18 deep: %v", err)
	}
}

// What cannot be read whole is an error, and never a list of those who could.
func TestReadsThatFail(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{})
	s.person("alice")
	s.person("bob")
	s.group("payments", personDN("alice"))
	s.add("ou=more,ou=groups,"+suffix, "organizationalUnit", "ou", "more")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := ldap.New(s.config(), time.Now).List(ctx); err == nil {
		t.Errorf("cancelled: %v", got)
	}
	for name, c := range map[string]struct {
		change func(*ldap.Config)
		kind   access.Kind
	}{
		"another password":       {func(c *ldap.Config) { c.Server.Password = "another" }, access.KindMisconfigured},
		"nobody there":           {func(c *ldap.Config) { c.Server.URL = "ldap://127.0.0.1:1" }, access.KindUnavailable},
		"no such base":           {func(c *ldap.Config) { c.Base = "ou=nobody," + suffix }, access.KindMisconfigured},
		"an empty base":          {func(c *ldap.Config) { c.Base = "ou=services," + suffix }, access.KindMisconfigured},
		"a filter for nobody":    {func(c *ldap.Config) { c.Filter = "(uid=nobody)" }, access.KindMisconfigured},
		"no such base of groups": {func(c *ldap.Config) { c.Groups.Base = "ou=nothing," + suffix }, access.KindMisconfigured},
		"groups without names":   {func(c *ldap.Config) { c.Groups.Name = "description" }, access.KindMisconfigured},
	} {
		config := s.config()
		c.change(&config)
		if got, err := s.list(config); access.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %d people, %v", name, len(got), err)
		}
	}
	s.add("cn=payments,ou=more,ou=groups,"+suffix, "groupOfNames", "cn", "payments", "member", personDN("bob"))
	if got, err := s.list(s.config()); err == nil || !strings.Contains(err.Error(), "have the same cn") {
		t.Errorf("two groups of one name: %d people, %v", len(got), err)
	}
}

// TLS is held to, before the password is said.
func TestTLS(t *testing.T) {
	s := newSlapd(t, localpeer.OpenLDAPOptions{TLS: true})
	s.person("alice")
	config := func(url, ca string, start bool) ldap.Config {
		c := s.config()
		trust, err := ldapdial.Trust(url, ca)
		if err != nil {
			t.Fatal(err)
		}
		c.Server.URL, c.Server.StartTLS, c.Server.TLS = url, start, trust
		return c
	}
	for name, c := range map[string]struct {
		config ldap.Config
		kind   access.Kind
		good   bool
	}{
		"from the start":           {config(s.SecureURL(), s.CAFile(), false), 0, true},
		"after StartTLS":           {config(s.URL(), s.CAFile(), true), 0, true},
		"of nobody's trust":        {config(s.SecureURL(), "", false), access.KindMisconfigured, false},
		"of nobody's trust, later": {config(s.URL(), "", true), access.KindMisconfigured, false},
		"none":                     {config(s.URL(), s.CAFile(), false), access.KindMisconfigured, false},
	} {
		got, err := s.list(c.config)
		if c.good != (err == nil) || c.good && len(got) != 1 || !c.good && access.KindOf(err) != c.kind {
			t.Errorf("TLS %s: %d people, %v", name, len(got), err)
		}
	}
}
