package workload_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/identity/workload"
)

const gitHub = "https://token.actions.githubusercontent.com"

func TestClaimsThatConfineNobody(t *testing.T) {
	one := func(name string, values ...string) map[string][]string { return map[string][]string{name: values} }
	for name, c := range map[string]struct {
		issuer string
		claims map[string][]string
		want   string // empty: it is good
	}{
		"a pod":                       {"https://kubernetes.example", one("sub", "system:serviceaccount:ci:deployer"), ""},
		"none":                        {"https://kubernetes.example", nil, "trusts whoever"},
		"no values":                   {"https://kubernetes.example", one("sub"), "want 1 to"},
		"an empty value":              {"https://kubernetes.example", one("sub", ""), "1 to 1024 bytes"},
		"a pattern":                   {"https://kubernetes.example", one("sub", "system:serviceaccount:ci:*"), "no patterns"},
		"the audience":                {"https://kubernetes.example", one("aud", "curfew"), "says nothing of who"},
		"a repository by its name":    {gitHub, map[string][]string{"repository": {"acme/orders"}, "ref": {"refs/heads/main"}}, "repository_owner_id"},
		"a subject by its name":       {gitHub, one("sub", "repo:acme/orders:environment:production"), "repository_owner_id"},
		"a whole organisation":        {gitHub, map[string][]string{"repository_owner_id": {"65"}, "environment": {"production"}}, "make a repository"},
		"a whole repository":          {gitHub, map[string][]string{"repository_id": {"74"}, "event_name": {"push"}}, "push a branch"},
		"an environment":              {gitHub, map[string][]string{"repository_id": {"74"}, "environment": {"production"}}, ""},
		"a subject of an owner":       {gitHub, map[string][]string{"repository_owner_id": {"65"}, "sub": {"repo:acme/orders:ref:refs/heads/main"}}, ""},
		"GitHub on one's own server":  {"https://github.acme.example/_services/token", one("sub", "repo:a/b:ref:refs/heads/main"), "repository_owner_id"},
		"GitHub on a host of its own": {"https://token.actions.acme.ghe.com", one("sub", "repo:a/b:ref:refs/heads/main"), "repository_owner_id"},
	} {
		err := workload.Rule{Issuer: c.issuer, Claims: c.claims}.CheckClaims()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAudiencesOfEverybody(t *testing.T) {
	for audience, bad := range map[string]bool{
		"": true, gitHub: true, "https://github.com/acme": true, "https://kubernetes.default.svc": true, "https://kubernetes.default.svc.cluster.local": true,
		strings.Repeat("x", 1025): true, "https://curfew.acme.example": false,
	} {
		if err := (workload.Rule{Issuer: gitHub, Audience: audience}).CheckAudience(); (err != nil) != bad {
			t.Errorf("%.50q: %v", audience, err)
		}
	}
}

// FuzzClaims holds what fits a rule against what plain reading says: exactly one text of the claim, and one of the values.
func FuzzClaims(f *testing.F) {
	i := newIssuer(f)
	for _, payload := range []string{
		`{"environment":"production"}`, `{"environment":"prod","environment":"production"}`, `{"Environment":"production"}`,
		`{"environment":["production"]}`, `{"environment":"production"}{}`, `{"environment":"\u0070roduction"}`, `{"environment":"production\u0000"}`, `[]`, `{`,
	} {
		f.Add(payload)
	}
	values := []string{"production", "staging"}
	v := newVerifier(f, newClock(), i.rule(func(r *workload.Rule) { r.Claims = map[string][]string{"environment": values} }))
	f.Fuzz(func(t *testing.T, payload string) {
		good, err := json.Marshal(i.claims(map[string]any{"environment": nil}))
		if err != nil {
			t.Fatal(err)
		}
		body, is := strings.CutPrefix(payload, "{")
		if !is {
			body = `"x":` + body
		}
		w, err := v.Verify(t.Context(), sign(t, i.key, "RS256", append(append(good[:len(good)-1:len(good)-1], ','), body...)))
		if err != nil {
			return
		}
		var plain struct{ values []string }
		d := json.NewDecoder(strings.NewReader("{" + body))
		_, _ = d.Token()
		for d.More() {
			name, _ := d.Token()
			var value any
			if err := d.Decode(&value); err != nil {
				t.Fatalf("what cannot be read is trusted: %q", payload)
			}
			if text, ok := value.(string); ok && name == "environment" {
				plain.values = append(plain.values, text)
			} else if name == "environment" {
				t.Fatalf("what is no text is trusted: %q", payload)
			}
		}
		if len(plain.values) != 1 || !slices.Contains(values, plain.values[0]) || w.Claims["environment"] != plain.values[0] {
			t.Fatalf("%q is trusted: it says %q", payload, plain.values)
		}
	})
}
