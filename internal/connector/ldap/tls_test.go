package ldap

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// Both kinds of TLS work, and a server whose certificate nobody vouches for is not told a password.
func TestTLS(t *testing.T) {
	p := start(t, func(o *localpeer.OpenLDAPOptions) { o.TLS = true })
	for name, c := range map[string]struct {
		change func(*Config)
		works  bool
		kind   access.Kind
	}{
		"from the start":        {func(c *Config) { c.URL, c.CAFile = p.SecureURL(), p.CAFile() }, true, 0},
		"StartTLS":              {func(c *Config) { c.StartTLS, c.CAFile = true, p.CAFile() }, true, 0},
		"clear text":            {func(*Config) {}, false, access.KindMisconfigured},
		"an unknown authority":  {func(c *Config) { c.URL = p.SecureURL() }, false, access.KindMisconfigured},
		"StartTLS, unknown too": {func(c *Config) { c.StartTLS = true }, false, access.KindMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			d := p.open(t, c.change)
			if _, err := d.Check(t.Context()); (err == nil) != c.works || err != nil && access.KindOf(err) != c.kind {
				t.Fatalf("Check: %v", err)
			}
			if !c.works {
				return
			}
			o := order("read")
			plan := give(t, d, o)
			revoke(t, d, o, plan)
			wantState(t, d, o, plan, connector.Absent)
		})
	}
}
