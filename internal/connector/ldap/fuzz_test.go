package ldap

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
)

// FuzzNames gives an account of any name a membership and takes it again: nothing but the one value of the one group
// changes, whatever the name would mean inside a filter or the name of an entry.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"alice", "*", "a*", "(", ")", `\`, `\2a`, `\00`, "bob)(uid=*", "bob,ou=groups", "uid=bob", "#4711", " bob", "bob ", "a  b", `"`, "+cn=x", ";", "<>", "=",
		"é", "e\u0301", "\u202ebob", "\u00ad", "ſ", "ß", "日本", strings.Repeat("x", 250), "-", "{SSHA}", "a\nb", "a\x7f",
	} {
		f.Add(name)
	}
	p := start(f)
	d := p.open(f)
	before := p.snapshot(f)
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 256 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return
		}
		o := order("read")
		o.Account = name
		if _, err := d.Prepare(t.Context(), o); err == nil && name != "bob" && name != hostile {
			t.Fatalf("there is an account %q", name)
		}
		r := protocol.NewAddRequest(person(name), nil)
		r.Attribute("objectClass", []string{"inetOrgPerson"})
		r.Attribute("cn", []string{"Somebody"})
		r.Attribute("sn", []string{"Somebody"})
		if p.root.Add(r) != nil {
			return // no name for an account, or one that the directory takes for another's
		}
		t.Cleanup(func() { _ = p.root.Del(protocol.NewDelRequest(person(name), nil)) })
		with, values := p.snapshot(t), len(p.values(t))
		plan, err := d.Prepare(t.Context(), o)
		if err != nil {
			// The directory may have kept it in another form, which is then not exactly the one that was asked for.
			if access.KindOf(err) != access.KindNotFound {
				t.Errorf("Prepare for %q: %v", name, err)
			}
			return
		}
		if _, err := d.Grant(context.WithoutCancel(t.Context()), o, plan); err != nil {
			t.Errorf("Grant to %q: %v", name, err)
		}
		if added := len(p.values(t)) - values; added != 1 {
			t.Errorf("Grant to %q adds %d values", name, added)
		}
		if _, err := d.Revoke(context.WithoutCancel(t.Context()), o, plan); err != nil {
			t.Errorf("Revoke of %q: %v", name, err)
		}
		if p.snapshot(t) != with {
			t.Errorf("after Revoke of %q:\n%s", name, p.snapshot(t))
		}
		if err := p.root.Del(protocol.NewDelRequest(person(name), nil)); err != nil {
			t.Fatal(err)
		}
		if p.snapshot(t) != before {
			t.Errorf("after %q something is left:\n%s", name, p.snapshot(t))
		}
	})
}
