package redis

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

// FuzzNames gives a user to anybody of any name: nothing but the one user is there, and nothing is left after it.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"alice", "", " ", "on", "nopass", "~*", "+@all", ">x", "(~curfew:x)", "a b", "new\nline", "nul\x00byte", "a\r\nFLUSHALL\r\n", "default", "curfew", "é", "\u202e",
	} {
		f.Add(name, "0")
	}
	p := start(f)
	d := p.open(f)
	before := p.snapshot(f)
	f.Fuzz(func(t *testing.T, name, grant string) {
		o := order("read", "fuzz")
		o.Principal = access.PrincipalID{Issuer: name, Subject: name}
		o.Grant += access.GrantID(grant)
		plan, _ := give(t, d, o)
		if with := p.snapshot(t, o.Mark); with != before {
			t.Errorf("Grant to %q changes more than its user:\n%s", name, with)
		}
		if p.snapshot(t) == before {
			t.Errorf("Grant to %q makes nothing", name)
		}
		if _, err := d.Revoke(t.Context(), o, plan); err != nil {
			t.Errorf("Revoke of %q: %v", name, err)
		}
		if after := p.snapshot(t); after != before {
			t.Errorf("after Revoke of %q:\n%s", name, after)
		}
	})
}

// FuzzMarkedUser reads lines of users: it never panics, and yields a mark only where one stands as a selector of its own.
func FuzzMarkedUser(f *testing.F) {
	for _, line := range []string{
		"user x on #ab ~a (~curfew:m resetchannels -@all)", "user x on (~curfew:m resetchannels -@all +get)", "user (~curfew:m resetchannels -@all)",
		"user x ~(~curfew:m resetchannels -@all)", "user", "", "user x (~curfew:m", "user x (~curfew:m resetchannels",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, mark := markedUser(line)
		if (name == "") != (mark == "") {
			t.Errorf("%q: the user %q with the mark %q", line, name, mark)
		}
	})
}
