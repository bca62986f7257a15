package ldap

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// implied is what a driver says that a permission on payroll implies.
func implied(t *testing.T, d connector.Driver, permission string) access.Implied {
	t.Helper()
	for r, err := range d.Discover(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Name == "payroll" && slices.Contains(r.Permissions, permission) {
			return r.Implies[permission]
		}
	}
	t.Fatalf("nobody can ask for %s", permission)
	return access.Implied{}
}

func wantImplied(t *testing.T, got access.Implied, incomplete string, rights ...string) {
	t.Helper()
	slices.Sort(rights)
	if diff := cmp.Diff(rights, got.Rights); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
	if (got.Incomplete == "") != (incomplete == "") || !strings.Contains(got.Incomplete, incomplete) {
		t.Errorf("incomplete: %q, want %q", got.Incomplete, incomplete)
	}
}

func groupDN(name string) string { return "cn=" + name + ",ou=groups," + suffix }

// nest puts the group for reading into others: staff and, as a unique member, a group of a hostile name, and these into
// everybody, which is in staff again.
func (p *peer) nest(t *testing.T) (above []string) {
	staff, odd, everybody := groupDN("staff"), groupDN(protocol.EscapeDN(`a"b, (*)\=#`)), groupDN("everybody")
	p.add(t, staff, "objectClass", "groupOfNames", "member", readers, "member", everybody)
	p.add(t, odd, "objectClass", "groupOfUniqueNames", "uniqueMember", readers)
	p.add(t, everybody, "objectClass", "groupOfNames", "member", staff, "member", odd)
	for _, name := range []string{"staff", "everybody"} {
		above = append(above, groupDN(name))
	}
	return append(above, normal(t, p.root, odd))
}

// normal is how the server itself spells the name of an entry.
func normal(t *testing.T, conn *protocol.Conn, dn string) string {
	t.Helper()
	found, err := conn.Search(protocol.NewSearchRequest(dn, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{"1.1"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read %s: %v", dn, err)
	}
	return found.Entries[0].DN
}

// Of groups in groups the driver tells, as the account of the page and without any overlay: all of them, and those of a
// permission without any.
func TestNestedGroups(t *testing.T) {
	p := start(t)
	wantImplied(t, implied(t, p.open(t), "read"), "")
	above := p.nest(t)
	d := p.open(t)
	wantImplied(t, implied(t, d, "read"), "", above...)
	wantImplied(t, implied(t, d, "unix"), "")

	p.modify(t, groupDN("everybody"), func(r *protocol.ModifyRequest) { r.Add("member", []string{admins}) })
	wantImplied(t, implied(t, d, "admin"), "", above...)
	p.modify(t, admins, func(r *protocol.ModifyRequest) { r.Add("member", []string{groupDN("everybody")}) })
	wantImplied(t, implied(t, d, "admin"), "", above...)
	wantImplied(t, implied(t, d, "read"), "", append(above, admins)...)
}

// A group that may not be seen is named where its members name it, and is said to be hidden; otherwise nobody can tell.
func TestNestedGroupsThatAreHidden(t *testing.T) {
	const secret = "cn=secret,ou=vault," + suffix
	for _, memberOf := range []bool{true, false} {
		p := start(t, func(o *localpeer.OpenLDAPOptions) {
			o.MemberOf = memberOf
			o.Access = append([]string{`to dn.subtree="ou=vault,` + suffix + `" by * none`}, o.Access...)
		})
		p.add(t, "ou=vault,"+suffix, "objectClass", "organizationalUnit", "ou", "vault")
		p.add(t, secret, "objectClass", "groupOfNames", "member", readers)
		if memberOf {
			wantImplied(t, implied(t, p.open(t), "read"), "Of 1 of these groups", secret)
		} else {
			wantImplied(t, implied(t, p.open(t), "read"), "")
		}
	}
}

// A server that finds less than there is, or does not want to tell, leaves the permission to be asked for.
func TestNestedGroupsThatTheServerDoesNotTell(t *testing.T) {
	p := start(t)
	p.nest(t)
	d := p.open(t)
	relayed := &nestingReader{}
	err := d.(*driver).in(t.Context(), "test", func(s *session) error {
		relayed.session = s
		c := *s.config
		c.Base = "dc=elsewhere" // another suffix, of which the server says that it is not there
		s.config = &c
		got, err := relayed.implied([]entry{{dn: readers}})
		wantImplied(t, got, "does not tell")
		if err != nil || !relayed.refused {
			t.Errorf("refused %t, %v", relayed.refused, err)
		}
		got, err = relayed.implied([]entry{{dn: readers}})
		wantImplied(t, got, "does not tell")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A server that is gone is no answer.
func TestNestedGroupsOfADeadServer(t *testing.T) {
	p := start(t)
	d, _ := p.open(t).(*driver)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := d.in(ctx, "test", func(s *session) error {
		if err := p.Stop(); err != nil {
			return err
		}
		_, err := (&nestingReader{session: s}).implied([]entry{{dn: readers}})
		return err
	})
	if access.KindOf(err) != access.KindUnavailable {
		t.Errorf("it says %v", err)
	}
}
