package policy_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/policy"
)

func TestParseSelector(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{text: "anyone", want: "anyone"},
		{text: "owner-of-resource", want: "owner-of-resource"},
		{text: "manager-of-requester", want: "manager-of-requester"},
		{text: "manager", err: `selector "manager"; did you mean "manager-of-requester"?`},
		{text: "group:payments", want: "group:static/payments"},
		{text: "group:static/payments", want: "group:static/payments"},
		{text: "group:okta/platform/db", want: "group:okta/platform/db"},
		{text: "principal:alice", want: "principal:static/alice"},
		{text: "principal:https://login.acme.example/00u1", want: "principal:https://login.acme.example/00u1"},
		{text: "principal:a:b", want: "principal:static/a:b"},
		{text: "person:alice", want: "person:alice"},
		{text: "kind:service", want: "kind:service"},
		{text: "Anyone", err: `selector "Anyone"; did you mean "anyone"?`},
		{text: "owner", err: `selector "owner"; did you mean "owner-of-resource"?`},
		{text: "GROUP:payments", err: `selector "GROUP:payments": unknown word "GROUP"; want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester`},
		{text: "", err: `selector "": want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester`},
		{text: "group:", err: `selector "group:": after group: comes a name: it is empty`},
		{text: "group:/payments", err: `group "/payments": want NAME or SOURCE/NAME`},
		{text: "group:okta/", err: `group "okta/": want NAME or SOURCE/NAME`},
		{text: "principal:okta/", err: `selector "principal:okta/": principal "okta/": want ISSUER/SUBJECT`},
		{text: "kind:humn", err: `kind "humn": want human, service, agent; did you mean "human"?`},
		{text: "person:a\u202eb", err: "selector \"person:a\\u202eb\": after person: comes a name: it has the unprintable character U+202E"},
		{text: "person:\xff", err: `selector "person:\xff": after person: comes a name: it is not valid UTF-8`},
		{text: "person:" + strings.Repeat("x", 600), err: "a selector of 607 bytes is longer than 600"},
	} {
		got, err := policy.ParseSelector(c.text)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if string(got) != c.want || message != c.err {
			t.Errorf("%q is %q, %q; want %q, %q", c.text, got, message, c.want, c.err)
		}
	}
}

func TestSelectorMatches(t *testing.T) {
	alice := alice()
	for text, want := range map[string]bool{
		"anyone":                true,
		"group:payments":        true,
		"group:okta/payments":   false,
		"group:payment":         false,
		"group:Payments":        false,
		"principal:alice":       true,
		"principal:okta/alice":  false,
		"person:alice":          true,
		"person:bob":            false,
		"kind:human":            true,
		"kind:agent":            false,
		"owner-of-resource":     false,
		"manager-of-requester":  false,
		"principal:alice%2F":    false,
		"group:static/payments": true,
	} {
		s, err := policy.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Matches(alice); got != want {
			t.Errorf("%s matches %v, want %v", text, got, want)
		}
	}
}

// FuzzParseSelector checks that what is accepted is canonical: it parses to itself, and shows no unprintable character.
func FuzzParseSelector(f *testing.F) {
	for _, text := range []string{
		"anyone", "group:payments", "group:okta/a/b", "principal:https://login.acme.example/00u%2F1", "principal:%25",
		"person:alice", "kind:human", "owner-of-resource", "group:\x00", "kind:", ":", "principal:a/",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := policy.ParseSelector(text)
		if err != nil {
			return
		}
		again, err := policy.ParseSelector(string(s))
		if err != nil || again != s {
			t.Errorf("%q is %q, which is %q, %v", text, s, again, err)
		}
	})
}
