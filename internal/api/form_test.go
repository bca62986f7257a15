package api

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
)

// A client opens a credential with the principal that it reads here, so that no text may stand for two principals.
func TestPrincipalTextIsReadBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := access.PrincipalID{
			Issuer:  rapid.SampledFrom([]string{access.StaticIssuer, "sso", "https://login.example/static", "static/x", "x/static"}).Draw(t, "issuer"),
			Subject: rapid.StringMatching(`[a-z%/:@. ]{1,20}|static/[a-z]{1,5}|%2F`).Draw(t, "subject"),
		}
		text := principalText(want)
		if got, err := access.ParsePrincipalID(text); err != nil || got != want {
			t.Fatalf("%+v became %q and that %+v, %v", want, text, got, err)
		}
	})
}

func TestSelectorsAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]string{
		"group:static/leads": "group:leads", "principal:static/bob": "principal:bob", "group:okta/leads": "group:okta/leads",
		"anyone": "anyone", "kind:agent": "kind:agent", "principal:https://x/static/bob": "principal:https://x/static/bob",
		"principal:static/x/bob": "principal:static/x/bob", "person:static/x": "person:static/x",
	} {
		if got := selectorTexts([]string{in}); got[0] != want {
			t.Errorf("%s is shown as %s, want %s", in, got[0], want)
		}
	}
}
