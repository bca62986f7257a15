package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/oidc"
)

// provider is one that says whatever a test wants.
type provider struct {
	testing.TB
	*httptest.Server
	key   jose.JSONWebKey
	keys  []jose.JSONWebKey
	token func(claims map[string]any) string
	named bool
	// endSession is its page to sign out at.
	endSession string
}

func newKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

func newProvider(t testing.TB) *provider {
	p := &provider{TB: t, key: newKey(t, "first")}
	p.keys, p.token = []jose.JSONWebKey{p.key.Public()}, p.sign
	mux := http.NewServeMux()
	answer := func(path string, what func(r *http.Request) any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(what(r)); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/.well-known/openid-configuration", func(*http.Request) any {
		said := map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "authorization_response_iss_parameter_supported": p.named,
		}
		if p.endSession != "" {
			said["end_session_endpoint"] = p.endSession
		}
		return said
	})
	answer("/keys", func(*http.Request) any { return jose.JSONWebKeySet{Keys: p.keys} })
	answer("/token", func(r *http.Request) any {
		// The code is what the token is to say.
		claims := map[string]any{}
		if err := json.Unmarshal([]byte(r.FormValue("code")), &claims); err != nil {
			t.Error(err)
		}
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": p.token(claims)}
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) sign(claims map[string]any) string { return p.signWith(p.key, jose.ES256, claims) }

func (p *provider) signWith(key any, algorithm jose.SignatureAlgorithm, claims map[string]any) string {
	p.Helper()
	return p.signed(jose.SigningKey{Algorithm: algorithm, Key: key}, nil, claims)
}

func (p *provider) signed(key jose.SigningKey, options *jose.SignerOptions, claims map[string]any) string {
	p.Helper()
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		p.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		p.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		p.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		p.Fatal(err)
	}
	return compact
}

// client signs in at it.
func (p *provider) client(c oidc.Claims) *oidc.Provider {
	return oidc.New(oidc.Config{Issuer: p.URL, ClientID: "curfew", ClientSecret: "s", Redirect: redirect, Claims: c, HTTP: p.Client(), Now: time.Now})
}

// signIn has somebody sign in, about whom a good token says more.
func (p *provider) signIn(client *oidc.Provider, more map[string]any) (identity.Account, error) {
	p.Helper()
	a, _, err := client.Begin(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	claims := map[string]any{
		"iss": p.URL, "aud": "curfew", "sub": "u1", "nonce": a.Nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "groups": []string{"payments"}, "sid": "s1",
	}
	for name, value := range more {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	code, err := json.Marshal(claims)
	if err != nil {
		p.Fatal(err)
	}
	answer := url.Values{"state": {a.State}, "code": {string(code)}}
	if p.named {
		answer.Set("iss", p.URL)
	}
	return client.Finish(p.Context(), a, answer)
}

func groupsClaim() oidc.Claims { return oidc.Claims{Groups: "groups"} }

// TestTokensThatAreNotBelieved has a token of every kind that an attacker, or another program's user, could bring.
func TestTokensThatAreNotBelieved(t *testing.T) {
	p := newProvider(t)
	client := p.client(groupsClaim())
	if _, err := p.signIn(client, nil); err != nil {
		t.Fatalf("a good token: %v", err)
	}
	sources := map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/groups"}}
	for name, more := range map[string]map[string]any{
		"of another issuer":           {"iss": "https://evil.example"},
		"for another program":         {"aud": "another"},
		"for several, by another":     {"aud": []string{"curfew", "another"}, "azp": "another"},
		"for several, by nobody":      {"aud": []string{"curfew", "another"}},
		"made by another":             {"azp": "another"},
		"of another sign-in":          {"nonce": "another"},
		"without a nonce":             {"nonce": nil},
		"too old":                     {"exp": time.Now().Add(-10 * time.Minute).Unix()},
		"without an end":              {"exp": nil},
		"of nobody":                   {"sub": nil},
		"of nobody, by name":          {"sub": ""},
		"with a subject to be shown":  {"sub": "u1\u202e"},
		"with a long subject":         {"sub": strings.Repeat("x", 256)},
		"with another token's hash":   {"at_hash": "bm90IGl0"},
		"of a session by a number":    {"sid": 1},
		"of a session without end":    {"sid": strings.Repeat("x", 256)},
		"with groups of another kind": {"groups": map[string]string{"a": "b"}},
		"with a group without a name": {"groups": []string{""}},
		"with numbers as groups":      {"groups": []int{1}},
		"with a hidden group":         {"groups": []string{"a\x00"}},
		"with too many groups":        {"groups": strings.Split(strings.Repeat("g,", 2001)+"g", ",")},
		"without groups":              {"groups": nil},
		"with groups elsewhere":       {"groups": nil, "_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": sources},
	} {
		if account, err := p.signIn(client, more); err == nil {
			t.Errorf("a token %s is believed: %+v", name, account)
		}
	}
	// Whatever is said to mean no groups, groups that are elsewhere are some.
	if _, err := p.signIn(p.client(oidc.Claims{Groups: "groups", NoGroups: true}), map[string]any{"groups": nil, "_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": sources}); access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("groups elsewhere: %v", err)
	}
	another := newKey(t, "first")
	public, err := p.key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]func(map[string]any) string{
		"nobody":                         unsigned,
		"another key of that name":       func(c map[string]any) string { return p.signWith(another, jose.ES256, c) },
		"the public key as a secret":     func(c map[string]any) string { return p.signWith(public, jose.HS256, c) },
		"the client's secret":            func(c map[string]any) string { return p.signWith([]byte(strings.Repeat("s", 32)), jose.HS256, c) },
		"the right key, changed after":   func(c map[string]any) string { return swap(p.sign(c), `"u1"`, `"u2"`) },
		"the right key, as another kind": func(c map[string]any) string { return swap(p.sign(c), "", "") + "x" },
	} {
		p.token = token
		if account, err := p.signIn(client, nil); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("a token signed by %s is believed: %+v, %v", name, account, err)
		}
	}
}

// unsigned is a token that nobody has signed, and says so.
func unsigned(claims map[string]any) string {
	text, _ := json.Marshal(claims) // it is of plain values
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(text) + "."
}

// swap changes what a token says and leaves its signature.
func swap(token, old, now string) string {
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), old, now, 1)))
	return strings.Join(parts, ".")
}

// TestGroups: empty is none, and one may stand alone.
func TestGroups(t *testing.T) {
	p := newProvider(t)
	for name, c := range map[string]struct {
		said any
		want []string
	}{
		"a list":       {[]string{"payments", "engineering", "payments"}, []string{"engineering", "payments"}},
		"an empty one": {[]string{}, []string{}},
		"one":          {"payments", []string{"payments"}},
	} {
		account, err := p.signIn(p.client(groupsClaim()), map[string]any{"groups": c.said})
		if diff := cmp.Diff(c.want, account.Groups); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	account, err := p.signIn(p.client(oidc.Claims{Groups: "https://acme.example/groups", NoGroups: true, Attributes: map[string]string{"db_user": "login", "city": "city"}}),
		map[string]any{"login": "alice_db", "name": "Alice"})
	want := identity.Account{Subject: "u1", Name: "Alice", Session: "s1", Attributes: map[string]string{"db_user": "alice_db"}}
	if diff := cmp.Diff(want, account); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// soon tries a few times. What a fetch of keys has brought, or why it failed, package oidc tells also to who comes in the moment in which
// it ends.
func soon(f func() error) (err error) {
	for range 1000 {
		if err = f(); err == nil {
			break
		}
	}
	return err
}

// TestKeyRotation: a token under a key that the provider has since Curfew asked last is good, and one under a key that it has
// withdrawn is not.
func TestKeyRotation(t *testing.T) {
	p := newProvider(t)
	client := p.client(groupsClaim())
	if _, err := p.signIn(client, nil); err != nil {
		t.Fatal(err)
	}
	first := p.key
	p.key = newKey(t, "second")
	p.keys = []jose.JSONWebKey{p.key.Public()}
	if err := soon(func() error { _, err := p.signIn(client, nil); return err }); err != nil {
		t.Errorf("under a new key: %v", err)
	}
	p.key = first
	// What was fetched takes the place of what was known beside the sign-in that had it fetched.
	_, err := p.signIn(client, nil)
	for range 1000 {
		if err != nil {
			break
		}
		_, err = p.signIn(client, nil)
	}
	if access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("under a key that was withdrawn: %v", err)
	}
}

// TestAnswers are those that come through a browser.
func TestAnswers(t *testing.T) {
	p := newProvider(t)
	p.named = true
	client := p.client(groupsClaim())
	if _, err := p.signIn(client, nil); err != nil {
		t.Fatalf("an answer that names its provider: %v", err)
	}
	a, _, err := client.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := url.Values{"state": {a.State}, "code": {"{}"}, "iss": {p.URL}}
	for name, c := range map[string]struct {
		set  url.Values
		want access.Kind
	}{
		"another state":           {url.Values{"state": {"x"}}, access.KindUnauthenticated},
		"no state":                {url.Values{"state": nil}, access.KindUnauthenticated},
		"two states":              {url.Values{"state": {a.State, "x"}}, access.KindUnauthenticated},
		"no code":                 {url.Values{"code": nil}, access.KindUnauthenticated},
		"no provider's name":      {url.Values{"iss": nil}, access.KindUnauthenticated},
		"another provider's":      {url.Values{"iss": {"https://evil.example"}}, access.KindUnauthenticated},
		"a no":                    {url.Values{"error": {"access_denied"}, "error_description": {"<b>\x1b[31m" + strings.Repeat("x", 1000)}}, access.KindDenied},
		"a no to somebody else":   {url.Values{"error": {"access_denied"}, "state": {"x"}}, access.KindUnauthenticated},
		"a no of somebody else's": {url.Values{"error": {"access_denied"}, "iss": {"https://evil.example"}}, access.KindUnauthenticated},
	} {
		answer := maps.Clone(good)
		maps.Copy(answer, c.set)
		_, err := client.Finish(t.Context(), a, answer)
		if access.KindOf(err) != c.want || len(fmt.Sprint(err)) > 500 || strings.Contains(fmt.Sprint(err), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Finish(t.Context(), identity.Attempt{}, url.Values{"state": {""}, "code": {"{}"}, "iss": {p.URL}}); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("an attempt that nobody began: %v", err)
	}
}
