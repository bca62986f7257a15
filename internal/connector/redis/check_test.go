package redis

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// Check names what is wrong, and what to do.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		at     func(t testing.TB, p *peer)
		config func(*Config)
		kind   access.Kind
		says   string
	}{
		"no DELUSER":         {at: does("ACL SETUSER curfew -acl|deluser"), says: "DELUSER"},
		"no CLIENT KILL":     {at: does("ACL SETUSER curfew -client|kill"), says: "KILL"},
		"no key for orders":  {at: does("ACL SETUSER curfew resetkeys"), says: fencePrefix},
		"no transactions":    {at: does("ACL SETUSER curfew -multi"), says: "MULTI"},
		"no dry run":         {at: does("ACL SETUSER curfew -acl|dryrun"), says: "lacks a permission"},
		"may read data":      {at: does("ACL SETUSER curfew ~* +get"), says: "does not need"},
		"may do everything":  {at: does("ACL SETUSER curfew +@all"), says: "does not need"},
		"no identity":        {at: does("ACL SETUSER curfew clearselectors"), says: "identity"},
		"a blind observer":   {at: does("ACL SETUSER curfew_observer -client|list"), says: "lacks a permission"},
		"a wrong password":   {at: does("ACL SETUSER curfew resetpass >another"), says: "log-in"},
		"no observer":        {at: does("ACL DELUSER curfew_observer"), says: "log-in"},
		"a replica":          {at: does("REPLICAOF 127.0.0.1 1"), says: "replica"},
		"an unknown command": {config: permits("+gte"), says: "gte"},
		"no such server":     {config: func(c *Config) { c.URL = "redis://127.0.0.1:1" }, kind: access.KindUnavailable, says: "reached"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			if c.at != nil {
				c.at(t, p)
			}
			if c.config == nil {
				c.config = func(*Config) {}
			}
			if c.kind == 0 {
				c.kind = access.KindMisconfigured
			}
			_, err := p.open(t, c.config).Check(t.Context())
			if access.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, of kind %s; want one of kind %s that says %q", err, access.KindOf(err), c.kind, c.says)
			}
		})
	}
}

func does(command string) func(testing.TB, *peer) {
	return func(t testing.TB, p *peer) { p.do(t, command) }
}

func permits(rule string) func(*Config) {
	return func(c *Config) { c.Resources["orders"].Permissions["read"] = Permission{Commands: []string{rule}} }
}

// One connection is enough for everything.
func TestOneConnection(t *testing.T) {
	p := start(t)
	d := p.open(t, func(c *Config) { c.MaxConnections, c.ObserverUsername, c.ObserverPassword = 1, "", "" })
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	give(t, d, order("read", "one"))
	if n := strings.Count(p.admin.ClientList(t.Context()).Val(), "user=curfew "); n != 1 {
		t.Errorf("there are %d connections", n)
	}
}

// Somebody else's user is neither taken over nor removed, and of another server nothing is believed.
func TestForeigners(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read", "foreign")
	plan, _ := give(t, d, o)
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.do(t, "ACL SETUSER "+v.User+" clearselectors")
	for name, call := range map[string]func() error{
		"Prepare": func() error { _, err := d.Prepare(t.Context(), o); return err },
		"Grant":   func() error { _, err := d.Grant(t.Context(), o, plan); return err },
		"Extend":  func() error { return d.Extend(t.Context(), o, plan) },
		"Revoke":  func() error { _, err := d.Revoke(t.Context(), o, plan); return err },
	} {
		if err := call(); access.KindOf(err) != access.KindConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantState(t, d, o, plan, "unknown")
	p.do(t, "ACL DELUSER "+v.User)
	wantState(t, d, o, plan, "absent")
	p.do(t, "ACL SETUSER curfew clearselectors (~target:another)")
	wantState(t, d, o, plan, "unknown")
	if _, err := d.Revoke(t.Context(), o, plan); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("Revoke at another server: %v", err)
	}
}

// TLS works, and a server whose certificate nobody vouches for is not told a password.
func TestTLS(t *testing.T) {
	p := start(t, func(o *localpeer.RedisOptions) { o.TLS = true })
	d := p.open(t, func(c *Config) { c.CAFile = p.CAFile() })
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, c := give(t, d, order("read", "tls")); !strings.HasPrefix(c.URI, "rediss://curfew_alice_") {
		t.Errorf("the URI is of another kind: %.10s", c.URI)
	}
	if _, err := p.open(t).Check(t.Context()); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("an unknown authority: %v", err)
	}
}
