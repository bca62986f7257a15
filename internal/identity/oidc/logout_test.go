package oidc_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/oidc"
)

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutClaims are those of a good logout token.
func (p *provider) logoutClaims() map[string]any {
	return map[string]any{
		"iss": p.URL, "aud": "curfew", "iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(), "jti": "a token", "sub": "u1", "sid": "s1",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
}

// signType signs with a header that says what kind of token it is.
func (p *provider) signType(kind string, claims map[string]any) string {
	p.Helper()
	return p.signed(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(kind)), claims)
}

func TestLogoutTokens(t *testing.T) {
	p := newProvider(t)
	client := p.client(groupsClaim())
	for _, kind := range []string{"logout+jwt", "application/logout+jwt", "JWT"} {
		if _, err := client.Ended(t.Context(), p.signType(kind, p.logoutClaims())); err != nil {
			t.Errorf("of the type %s: %v", kind, err)
		}
	}
	for name, c := range map[string]struct {
		change map[string]any
		want   identity.Ended
	}{
		"as it is":      {nil, identity.Ended{ID: "a token", Subject: "u1", Session: "s1"}},
		"of all":        {map[string]any{"sid": nil}, identity.Ended{ID: "a token", Subject: "u1"}},
		"of a session":  {map[string]any{"sub": nil}, identity.Ended{ID: "a token", Session: "s1"}},
		"for several":   {map[string]any{"aud": []string{"another", "curfew"}}, identity.Ended{ID: "a token", Subject: "u1", Session: "s1"}},
		"that is slow":  {map[string]any{"iat": time.Now().Add(-9 * time.Minute).Unix()}, identity.Ended{ID: "a token", Subject: "u1", Session: "s1"}},
		"from far east": {map[string]any{"iat": time.Now().Add(time.Minute).Unix()}, identity.Ended{ID: "a token", Subject: "u1", Session: "s1"}},
	} {
		got, err := client.Ended(t.Context(), p.sign(changed(p.logoutClaims(), c.change)))
		if left := time.Until(got.Until); err != nil || left <= 0 || left > 2*time.Minute {
			t.Errorf("a token %s is good for %s, %v", name, left, err)
		}
		got.Until = time.Time{}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("a token %s (-want +got):\n%s", name, diff)
		}
	}
	// However long it says that it is good, it is remembered for minutes, and so it is good for minutes.
	long, err := client.Ended(t.Context(), p.sign(changed(p.logoutClaims(), map[string]any{"exp": time.Now().Add(1000 * time.Hour).Unix()})))
	if err != nil || time.Until(long.Until) > 10*time.Minute {
		t.Errorf("a token without an end to speak of is good until %s, %v", long.Until, err)
	}
}

// changed has other claims, and lacks those that are nil.
func changed(claims, change map[string]any) map[string]any {
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// TestLogoutTokensThatAreNotBelieved has what somebody could bring who wants others signed out.
func TestLogoutTokensThatAreNotBelieved(t *testing.T) {
	p := newProvider(t)
	client := p.client(groupsClaim())
	refused := func(name, token string) {
		t.Helper()
		if got, err := client.Ended(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated || got != (identity.Ended{}) {
			t.Errorf("a token %s is believed: %+v, %v", name, got, err)
		}
	}
	for name, change := range map[string]map[string]any{
		"of another issuer":          {"iss": "https://evil.example"},
		"of nobody's":                {"iss": nil},
		"for another program":        {"aud": "another"},
		"for nobody":                 {"aud": nil},
		"too old":                    {"iat": time.Now().Add(-20 * time.Minute).Unix(), "exp": time.Now().Add(-time.Minute).Unix()},
		"too old, whatever it says":  {"iat": time.Now().Add(-11 * time.Minute).Unix(), "exp": time.Now().Add(time.Hour).Unix()},
		"without an end":             {"exp": nil},
		"of no time":                 {"iat": nil},
		"of a time to come":          {"iat": time.Now().Add(time.Hour).Unix(), "exp": time.Now().Add(2 * time.Hour).Unix()},
		"without a name":             {"jti": nil},
		"with an empty name":         {"jti": ""},
		"with a long name":           {"jti": strings.Repeat("x", 256)},
		"of nobody and nothing":      {"sub": nil, "sid": nil},
		"of an empty nobody":         {"sub": "", "sid": ""},
		"of a subject without end":   {"sub": strings.Repeat("x", 256)},
		"of a session without end":   {"sid": strings.Repeat("x", 256)},
		"of a session with controls": {"sid": "s\x00"},
		"with a nonce":               {"nonce": "n"},
		"with an empty nonce":        {"nonce": ""},
		"without events":             {"events": nil},
		"of another event":           {"events": map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}},
		"of a list of events":        {"events": []string{logoutEvent}},
		"of an event that is none":   {"events": map[string]any{logoutEvent: true}},
	} {
		refused(name, p.sign(changed(p.logoutClaims(), change)))
	}
	for _, kind := range []string{"at+jwt", "secevent+jwt", "dpop+jwt", "x"} {
		refused("of the type "+kind, p.signType(kind, p.logoutClaims()))
	}
	refused("that is an ID token", p.sign(changed(p.logoutClaims(), map[string]any{"events": nil, "jti": "j", "nonce": "n"})))
	another := newKey(t, "first")
	public, err := p.key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	refused("under another key of that name", p.signWith(another, jose.ES256, p.logoutClaims()))
	refused("with the public key as a secret", p.signWith(public, jose.HS256, p.logoutClaims()))
	refused("with the client's secret", p.signWith([]byte(strings.Repeat("s", 32)), jose.HS256, p.logoutClaims()))
	refused("nobody signed", unsigned(p.logoutClaims()))
	refused("changed after", swap(p.sign(p.logoutClaims()), `"u1"`, `"u2"`))
	for _, text := range []string{"", ".", "..", "###.###.###", "e30.e30.", strings.Repeat("a.", 9999)} {
		refused("of nonsense", text)
	}
	// And a logout token signs nobody in.
	p.token = func(map[string]any) string { return p.sign(p.logoutClaims()) }
	if account, err := p.signIn(client, nil); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("a logout token signs in %+v, %v", account, err)
	}
}

// TestKeysAreKeptForAWhile: a key that the provider has withdrawn is believed no longer than Curfew goes by what it knows, even if
// no other key is ever seen.
func TestKeysAreKeptForAWhile(t *testing.T) {
	p := newProvider(t)
	now := time.Now()
	client := oidc.New(oidc.Config{
		Issuer: p.URL, ClientID: "curfew", ClientSecret: "s", Redirect: redirect, Claims: groupsClaim(), HTTP: p.Client(), Now: func() time.Time { return now },
	})
	ended := func() error {
		_, err := client.Ended(t.Context(), p.sign(changed(p.logoutClaims(), map[string]any{"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix()})))
		return err
	}
	if err := ended(); err != nil {
		t.Fatal(err)
	}
	second := newKey(t, "second")
	p.keys = []jose.JSONWebKey{second.Public()}
	now = now.Add(oidc.KeptFor - time.Second)
	if err := ended(); err != nil {
		t.Errorf("while the keys are kept: %v", err)
	}
	now = now.Add(time.Second)
	if err := ended(); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("after that: %v", err)
	}
}

// TestForgedTokensAtAPace: anybody can send tokens that no key has signed. However many, the provider is asked for its keys a few
// times, what its known keys have signed is believed meanwhile, and what a new one has a moment later.
func TestForgedTokensAtAPace(t *testing.T) {
	p := newProvider(t)
	asked, handler := atomic.Int32{}, p.Config.Handler
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handler.ServeHTTP(w, r)
	})
	now := time.Now()
	client := oidc.New(oidc.Config{
		Issuer: p.URL, ClientID: "curfew", ClientSecret: "s", Redirect: redirect, Claims: groupsClaim(), HTTP: p.Client(), Now: func() time.Time { return now },
	})
	ended := func(key jose.JSONWebKey) error {
		_, err := client.Ended(t.Context(), p.signWith(key, jose.ES256, p.logoutClaims()))
		return err
	}
	if err := ended(p.key); err != nil {
		t.Fatal(err)
	}
	forger := newKey(t, "made up")
	for range 500 {
		if err := ended(forger); access.KindOf(err) != access.KindUnauthenticated {
			t.Fatalf("a forged token: %v", err)
		}
	}
	if n := asked.Load(); n > 20 {
		t.Errorf("the provider was asked %d times", n)
	}
	if err := ended(p.key); err != nil {
		t.Errorf("a good token meanwhile: %v", err)
	}
	p.key = newKey(t, "new")
	p.keys = []jose.JSONWebKey{p.key.Public()}
	now = now.Add(10 * time.Second)
	if err := soon(func() error { return ended(p.key) }); err != nil {
		t.Errorf("a token under a new key, a moment later: %v", err)
	}
}

// TestEndPage: what a provider says of its page to sign out at.
func TestEndPage(t *testing.T) {
	p := newProvider(t)
	const good = access.KindInternal // that of no error, which nothing here has
	for at, want := range map[string]access.Kind{
		"": access.KindNotFound, "https://login.example/out?p=x": good, p.URL + "/out": good, "http:///out": access.KindMisconfigured,
		"javascript:alert(1)": access.KindMisconfigured, "/out": access.KindMisconfigured, "ftp://login.example/out": access.KindMisconfigured,
	} {
		p.endSession = at
		page, err := p.client(groupsClaim()).EndPage(t.Context(), "https://curfew.example/oauth/signed-out", "a state&")
		if (err == nil) != (want == good) || err != nil && access.KindOf(err) != want {
			t.Errorf("%q: %q, %v", at, page, err)
		}
		if want != good {
			continue
		}
		got, err := url.Parse(page)
		query := got.Query()
		if err != nil || !strings.HasPrefix(page, strings.TrimSuffix(at, "p=x")) || strings.Contains(at, "p=x") != (query.Get("p") == "x") ||
			query.Get("client_id") != "curfew" || query.Get("state") != "a state&" || query.Get("post_logout_redirect_uri") != "https://curfew.example/oauth/signed-out" {
			t.Errorf("%q leads to %q, %v", at, page, err)
		}
	}
}
