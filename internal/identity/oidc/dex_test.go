package oidc_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/oidc"
	"github.com/curfewhq/curfew/internal/localpeer"
)

const redirect = "http://127.0.0.1:1/v1/signin/callback"

// TestSignInAtDex signs people in at a real provider.
func TestSignInAtDex(t *testing.T) {
	dex, err := localpeer.StartDex(t.Context(), localpeer.DexOptions{
		Clients: []localpeer.DexClient{{ID: "curfew", Secret: "client-secret", Redirects: []string{redirect}}},
		Users: []localpeer.DexUser{
			{ID: "u1", Email: "alice@acme.example", Name: "Alice", Password: "a password", Groups: []string{"payments", "engineering"}},
			{ID: "u2", Email: "bob@acme.example", Name: "Bob", Password: "b password"},
		},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dex.Stop() })
	provider := func(secret string, noGroups bool) *oidc.Provider {
		return oidc.New(oidc.Config{
			Issuer: dex.Issuer(), ClientID: "curfew", ClientSecret: secret, Redirect: redirect, Scopes: []string{"groups", "email"},
			Claims: oidc.Claims{Groups: "groups", NoGroups: noGroups, Attributes: map[string]string{"mail": "email"}}, HTTP: http.DefaultClient, Now: time.Now,
		})
	}
	signIn := func(p *oidc.Provider, email, password string) (identity.Attempt, url.Values) {
		t.Helper()
		a, page, err := p.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		back, err := dex.SignIn(t.Context(), page, email, password)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		return a, u.Query()
	}
	p := provider("client-secret", false)
	a, answer := signIn(p, "alice@acme.example", "a password")
	alice, err := p.Finish(t.Context(), a, answer)
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Account{Name: "Alice", Groups: []string{"engineering", "payments"}, Attributes: map[string]string{"mail": "alice@acme.example"}}
	want.Subject = alice.Subject
	if diff := cmp.Diff(want, alice); diff != "" || alice.Subject == "" {
		t.Errorf("Alice (-want +got):\n%s", diff)
	}
	if _, err := p.Finish(t.Context(), a, answer); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("the same code once more: %v", err)
	}

	// Another sign-in's answer, and the right answer to an attempt that somebody else has begun.
	a, answer = signIn(p, "alice@acme.example", "a password")
	other, _, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), other, answer); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("an answer to another attempt: %v", err)
	}
	stolen := other
	stolen.State = a.State
	if _, err := p.Finish(t.Context(), stolen, answer); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("a code without its verifier: %v", err)
	}

	// Dex says nothing of groups where somebody has none.
	a, answer = signIn(p, "bob@acme.example", "b password")
	if _, err := p.Finish(t.Context(), a, answer); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("a token without groups: %v", err)
	}
	lenient := provider("client-secret", true)
	a, answer = signIn(lenient, "bob@acme.example", "b password")
	if bob, err := lenient.Finish(t.Context(), a, answer); err != nil || len(bob.Groups) > 0 || bob.Subject == alice.Subject {
		t.Errorf("a token without groups, where that is said to be none: %+v, %v", bob, err)
	}

	wrong := provider("another secret", false)
	a, answer = signIn(wrong, "alice@acme.example", "a password")
	if _, err := wrong.Finish(t.Context(), a, answer); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("with another secret: %v", err)
	}
}

// A provider that does not answer keeps nobody from trying again.
func TestProviderIsAway(t *testing.T) {
	p := oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1/dex", HTTP: http.DefaultClient, Now: time.Now})
	for range 2 {
		if _, _, err := p.Begin(t.Context()); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("%v", err)
		}
	}
}
