package ldap

import (
	"testing"

	protocol "github.com/go-ldap/ldap/v3"
)

// FuzzPeopleIn: whatever a group is called, the filter for its people asks for that name and nothing else.
func FuzzPeopleIn(f *testing.F) {
	for _, name := range []string{"cn=a,dc=x", "cn=*", ")(objectClass=*", `\2a`, "\x00", "ü\xff", "(&)", "a)(|(uid=*"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		packet, err := protocol.CompileFilter(peopleIn(name))
		if err != nil {
			t.Fatalf("%q makes no filter: %v", name, err)
		}
		// An "and" of the two conditions on people, and of the one on the group.
		if packet.Tag != protocol.FilterAnd || len(packet.Children) != 2 || packet.Children[1].Tag != protocol.FilterExtensibleMatch {
			t.Fatalf("%q makes another filter", name)
		}
		for _, part := range packet.Children[1].Children {
			if part.Tag == protocol.MatchingRuleAssertionMatchValue && part.Data.String() != name {
				t.Fatalf("%q is asked for as %q", name, part.Data.String())
			}
		}
	})
}

// FuzzKey: names of entries that are read can be compared, whatever is in them.
func FuzzKey(f *testing.F) {
	f.Add("cn=A,dc=x")
	f.Add("uid=cy\\,(*)\\c3\\bc")
	f.Add("not a name")
	f.Fuzz(func(t *testing.T, dn string) {
		if once := key(dn); key(once) != once {
			t.Fatalf("%q is %q, and that is %q", dn, once, key(once))
		}
	})
}
