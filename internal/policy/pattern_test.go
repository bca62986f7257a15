package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
)

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"orders-db/orders:read", []string{"orders-db/orders:read"}, []string{"orders-db/orders:write", "orders-db/Orders:read", "orders-db/tenant/orders:read", "orders-db2/orders:read", "orders-db/orders:reader"}},
		{"orders-db/*:read", []string{"orders-db/orders:read", "orders-db/a b:read"}, []string{"orders-db/shop/orders:read", "orders-db/a:b:read", "orders-db/orders:readonly"}},
		{"orders-db/**:read", []string{"orders-db/orders:read", "orders-db/shop/orders:read", "orders-db/a:b:read"}, []string{"orders-db/orders:write", "orders/orders:read"}},
		{"orders-db/**:*", []string{"orders-db/a/b:c", "orders-db/a:b:c"}, []string{"billing-db/a:b"}},
		{"*/admin:*", []string{"wiki/admin:read"}, []string{"wiki/tenant/admin:read", "wiki/admin/x:read", "wiki/Admin:read"}},
		{"*/**/admin:*", []string{"wiki/tenant/admin:read", "wiki/a/b/admin:read"}, []string{"wiki/admin:read"}},
		{"*-db/*:*", []string{"orders-db/orders:read"}, []string{"orders/orders:read", "orders-db/a/b:read"}},
		{"k8s/*/pods-*:get", []string{"k8s/shop/pods-a:get", "k8s/shop/pods-:get"}, []string{"k8s/shop/eu/pods-a:get", "k8s/shop/pods-a/b:get"}},
		{"k8s/**/pods/*:get", []string{"k8s/a/pods/x:get", "k8s/a/b/pods/x:get"}, []string{"k8s/pods/x:get", "k8s/a/pods/x/y:get"}},
		{"gh/acme/*.*:pull", []string{"gh/acme/a.b:pull"}, []string{"gh/acme/ab:pull", "gh/acme/a/x.b:pull"}},
		{"a/x*x:r", []string{"a/xx:r", "a/xyx:r"}, []string{"a/x:r", "a/x/x:r"}},
		{"a/(x)+:r", []string{"a/(x)+:r"}, []string{"a/x:r", "a/xx:r"}},
		{"a/*\n*:r", nil, nil},
		{"**", []string{"a/b:c", "a/b/c:d:e"}, nil},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			if c.yes != nil || c.no != nil {
				t.Errorf("%s: %v", c.pattern, err)
			}
			continue
		}
		for want, list := range map[bool][]string{true: c.yes, false: c.no} {
			for _, text := range list {
				e, err := access.ParseEntitlement(text)
				if err != nil {
					t.Fatal(err)
				}
				if p.matches(&Target{Entitlement: e}) != want {
					t.Errorf("%s matches %s is not %v", c.pattern, text, want)
				}
			}
		}
	}
}

func TestPatternOfBundle(t *testing.T) {
	p, err := parsePattern("bundle:incident")
	if err != nil {
		t.Fatal(err)
	}
	member := access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"}
	if !p.matches(&Target{Entitlement: member, Bundle: "incident"}) {
		t.Error("does not match its bundle")
	}
	if p.matches(&Target{Entitlement: member}) || p.matches(&Target{Entitlement: member, Bundle: "other"}) {
		t.Error("matches more than its bundle")
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `want CONNECTOR/RESOURCE:PERMISSION`,
		"orders-db":                 `want CONNECTOR/RESOURCE:PERMISSION`,
		"orders-db/**":              `want CONNECTOR/RESOURCE:PERMISSION`,
		"*":                         `want CONNECTOR/RESOURCE:PERMISSION`,
		"**/orders:read":            `"**" is for the resource`,
		"orders-db/orders:**":       `"**" is for the resource`,
		"orders-db/***:read":        `"***" means nothing`,
		"Orders-db/a:read":          `connector "Orders-db": want 1 to 63 of a-z 0-9 - *`,
		"/a:read":                   `connector "": want 1 to 63`,
		"a/b:":                      `permission "": want 1 to 128`,
		"a/b:re ad":                 `permission "re ad": want 1 to 128`,
		"a/:read":                   `the resource is empty`,
		"a/b\u202e:read":            `the unprintable character U+202E`,
		"a/\xff:read":               `not valid UTF-8`,
		"a/*1*2*3*4*5*6*7*8*9:read": `more than 8 wildcards`,
		"bundle:":                   `after bundle: comes a name`,
		"bundle:In":                 `after bundle: comes a name`,
		"bundle:*":                  `after bundle: comes a name`,
		strings.Repeat("a", 601):    `a pattern of 601 bytes is longer than 600`,
	} {
		if _, err := parsePattern(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

// matchesSlowly says what a glob means, one character at a time.
func matchesSlowly(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case strings.HasPrefix(pattern, "**"):
		return matchesSlowly(pattern[2:], s) || s != "" && matchesSlowly(pattern, s[1:])
	case pattern[0] == '*':
		return matchesSlowly(pattern[1:], s) || s != "" && s[0] != '/' && s[0] != ':' && matchesSlowly(pattern, s[1:])
	default:
		return s != "" && s[0] == pattern[0] && matchesSlowly(pattern[1:], s[1:])
	}
}

func TestGlobMeansWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([ab/:.]|\*|\*\*){0,7}`).Draw(t, "pattern")
		g, err := compileGlob(text)
		if err != nil {
			return
		}
		s := rapid.StringMatching(`[ab/:.]{0,9}`).Draw(t, "text")
		if got, want := g.match(s), matchesSlowly(text, s); got != want {
			t.Fatalf("%q matches %q: %v, want %v", text, s, got, want)
		}
	})
}

// FuzzParsePattern checks that a pattern without wildcards matches itself and nothing else, and that one with wildcards
// is matched in the end.
func FuzzParsePattern(f *testing.F) {
	for _, text := range []string{"orders-db/orders:read", "a/**:*", "**", "bundle:incident", "a/b:c:d", "a/*x*/**/y:r", "a//b:c", "A/b:c", "a/b"} {
		f.Add(text, "orders-db/orders:read")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		p, err := parsePattern(text)
		if err != nil || p.bundle != "" {
			return
		}
		if own, err := access.ParseEntitlement(text); err == nil && !p.matches(&Target{Entitlement: own}) {
			t.Errorf("%q does not match itself", text)
		}
		e, err := access.ParseEntitlement(other)
		if err != nil {
			return
		}
		if got := p.matches(&Target{Entitlement: e}); got && !strings.Contains(text, "*") && text != other {
			t.Errorf("%q matches %q", text, other)
		}
	})
}
