package oidc_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity/oidc"
)

// What another source finds somebody by is said by one claim, and an address only where the provider has checked it.
func TestMatch(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		claim string
		more  map[string]any
		want  string // empty: they are not signed in
	}{
		"by subject":               {"sub", nil, "u1"},
		"by another claim":         {"oid", map[string]any{"oid": "0-1"}, "0-1"},
		"without the claim":        {"oid", nil, ""},
		"with a number":            {"oid", map[string]any{"oid": 7}, ""},
		"by a checked address":     {"email", map[string]any{"email": "a@x", "email_verified": true}, "a@x"},
		"by one checked in words":  {"email", map[string]any{"email": "a@x", "email_verified": "true"}, "a@x"},
		"by an address":            {"email", map[string]any{"email": "a@x"}, ""},
		"by an unchecked address":  {"email", map[string]any{"email": "a@x", "email_verified": false}, ""},
		"by one that is checked 1": {"email", map[string]any{"email": "a@x", "email_verified": 1}, ""},
	} {
		got, err := p.signIn(p.client(oidc.Claims{NoGroups: true, Match: c.claim}), c.more)
		if got.Match != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if kind := access.KindOf(err); err != nil && kind != access.KindDenied && kind != access.KindMisconfigured {
			t.Errorf("%s: %v", name, err)
		}
	}
}
