package kubernetes

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// FuzzNames gives access to somebody of any name, for a grant, a tenant and a user of any name, and takes it again: nothing changes
// at the cluster but what bears the mark, and nothing is left, whatever the names would mean in a path, a selector or a label.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"alice", "", "*", "..", "a/b", "../../namespaces/kube-system", "%2e%2e", "a,b", "a=b", "a in (b)", "!a", "a b", "-a", "a-", ".a", "_",
		"A", "é", "e\u0301", "\u202ebob", "日本", "a\nb", "a\x00b", "a\x7f", `"`, `\`, "{}", "system:masters", "system:serviceaccount:default:curfew",
		strings.Repeat("x", 64), strings.Repeat("é", 300), "gr_01", "bad\xffutf8", "?x=y", "#", "curfew",
	} {
		f.Add(name, name)
	}
	c := start(f)
	accounts, users := c.open(f), c.openUsers(f)
	before := c.snapshot(f)
	f.Fuzz(func(t *testing.T, who, what string) {
		if len(who)+len(what) > 2048 {
			return
		}
		o := newOrder(t, entitlement("orders", "read"))
		o.Principal = access.PrincipalID{Issuer: what, Subject: who}
		o.Tenant = access.TenantID(what)
		o.Grant += access.GrantID(what)
		c.leadThrough(t, accounts, o, before)
		o.Account, o.Recipient = who, nil
		c.leadThrough(t, users, o, before)
		for _, e := range []access.Entitlement{entitlement(who, "read"), entitlement("orders", what)} {
			o.Entitlement = e
			if _, err := accounts.Prepare(t.Context(), o); err == nil && !asked(e) {
				t.Errorf("%q can be asked for", e)
			}
		}
		if after := c.snapshot(t); after != before {
			t.Fatalf("after %q and %q the cluster has changed:\n%s", who, what, after)
		}
	})
}

// asked reports whether an entitlement is one that can be asked for.
func asked(e access.Entitlement) bool {
	return e == entitlement("orders", "read") || e == entitlement("archive", "read") || e == entitlement("default", "read") ||
		e == entitlement("orders", "restart") || e == entitlement("orders", "debug")
}

// leadThrough gives and takes. An order that cannot work is refused before anything is made.
func (c *cluster) leadThrough(t *testing.T, d connector.Driver, o connector.Order, before string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	p, err := d.Prepare(ctx, o)
	if err != nil {
		if access.KindOf(err) != access.KindInvalid {
			t.Errorf("Prepare: %v", err)
		}
		return
	}
	if _, err := d.Grant(ctx, o, p); err != nil {
		t.Errorf("Grant: %v", err)
	}
	if c.snapshot(t, o.Mark) != before {
		t.Error("Grant changed more than what bears the mark")
	}
	if c.snapshot(t) == before && utf8.ValidString(string(o.Mark)) {
		t.Error("Grant made nothing")
	}
	if _, err := d.Revoke(ctx, o, p); err != nil {
		t.Errorf("Revoke: %v", err)
	}
	if presence, err := d.Observe(ctx, o, p); err != nil || presence.State() != connector.Absent {
		t.Errorf("Observe says %s: %v", presence.State(), err)
	}
}
