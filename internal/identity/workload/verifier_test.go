package workload_test

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/workload"
)

func TestTrusted(t *testing.T) {
	i := newIssuer(t)
	other := i.rule(func(r *workload.Rule) {
		r.Name, r.Claims = "later", map[string][]string{"repository_id": {"74"}, "ref": {"refs/heads/main"}}
	})
	v := newVerifier(t, newClock(), i.rule(nil), other)
	got, err := v.Verify(t.Context(), i.token(nil))
	want := identity.Workload{
		Rule: "deploy", Principal: access.PrincipalID{Issuer: "static", Subject: "deployer"}, Scopes: []access.Scope{access.ScopeRead},
		Lifetime: 15 * time.Minute, Issuer: i.URL, Subject: "repo:acme/orders:environment:production", TokenID: "example-id",
		Claims: map[string]string{"repository_id": "74", "repository_owner_id": "65", "environment": "production", "event_name": "push"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// What the first rule does not fit, a later one may.
	if got, err := v.Verify(t.Context(), i.token(map[string]any{"environment": "test"})); got.Rule != "later" || err != nil {
		t.Errorf("of another environment: %+v, %v", got, err)
	}
	if i.asked.Load() != 1 {
		t.Errorf("its keys were asked for %d times", i.asked.Load())
	}
}

// TestNotTrusted has a token of every kind that somebody could bring who has none that is trusted.
func TestNotTrusted(t *testing.T) {
	i, evil := newIssuer(t), newIssuer(t)
	v := newVerifier(t, newClock(), i.rule(nil))
	at := func(d time.Duration) int64 { return now().Add(d).Unix() }
	for name, more := range map[string]map[string]any{
		"for another audience":           {"aud": "https://github.com/acme"},
		"for several audiences":          {"aud": []string{"https://curfew.acme.example", "https://other.example"}},
		"for no audience":                {"aud": nil},
		"for a number":                   {"aud": 7},
		"over":                           {"exp": at(-time.Minute)},
		"without an end":                 {"exp": nil},
		"with an end in words":           {"exp": "tomorrow"},
		"with an end that is nothing":    {"exp": json.RawMessage("null")},
		"with an end beyond all time":    {"exp": 1e300},
		"made long ago":                  {"iat": at(-2 * time.Hour)},
		"made later":                     {"iat": at(time.Minute)},
		"made who knows when":            {"iat": nil},
		"not good yet":                   {"nbf": at(time.Minute)},
		"of nobody":                      {"sub": nil},
		"of a subject that cannot show":  {"sub": "repo:acme\u202e"},
		"of another repository":          {"repository_id": "75"},
		"with a number for a text":       {"repository_id": 74},
		"with a list for a text":         {"repository_id": []string{"74"}},
		"with an object for a text":      {"repository_id": map[string]string{"74": "74"}},
		"with nothing for a text":        {"repository_id": json.RawMessage("null")},
		"that says more":                 {"environment": "production "},
		"that says less":                 {"environment": "prod"},
		"in capitals":                    {"environment": "Production"},
		"of an environment without name": {"environment": ""},
		"of a pull request":              {"event_name": "pull_request"},
		"of a pull request's target":     {"event_name": "pull_request_target"},
		"without a claim":                {"repository_owner_id": nil},
		"with the claim in capitals":     {"repository_id": nil, "Repository_ID": "74"},
	} {
		refuse(t, v, name, i.token(more))
	}

	good, err := json.Marshal(i.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	public, ok := i.key.Public().Key.(*rsa.PublicKey)
	if !ok {
		t.Fatal("the key is none of RSA")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	another := newKey(t, "first")
	for name, token := range map[string]string{
		"of another issuer":           evil.token(nil),
		"of another issuer, lying":    evil.token(map[string]any{"iss": i.URL}),
		"signed with another's key":   sign(t, another, jose.RS256, good),
		"signed with a public key":    unsafeToken(`{"alg":"HS256","kid":"first"}`, good, secret),
		"signed by nobody":            unsafeToken(`{"alg":"none","kid":"first"}`, good, nil),
		"signed otherwise":            sign(t, i.key.Key, jose.PS256, good),
		"with a claim twice":          sign(t, i.key, jose.RS256, append([]byte(`{"repository_id":"74",`), good[1:]...)),
		"with two issuers":            sign(t, i.key, jose.RS256, append([]byte(`{"iss":"https://evil.example",`), good[1:]...)),
		"with something behind it":    sign(t, i.key, jose.RS256, append(good[:len(good):len(good)], `{}`...)),
		"that is a list":              sign(t, i.key, jose.RS256, []byte(`["iss"]`)),
		"that is nothing":             "",
		"that is no token":            "a.b.c",
		"in JSON":                     `{"payload":"e30","signatures":[]}`,
		"that is huge":                i.token(map[string]any{"workflow": strings.Repeat("x", workload.MaxToken)}),
		"that is dots":                strings.Repeat(".", workload.MaxToken),
		"of an issuer without a name": i.token(map[string]any{"iss": ""}),
	} {
		refuse(t, v, name, token)
	}
	if evil.asked.Load() != 0 {
		t.Errorf("an issuer that no rule trusts was asked %d times", evil.asked.Load())
	}
	if _, err := v.Verify(t.Context(), i.token(nil)); err != nil {
		t.Errorf("a good token, after all that: %v", err)
	}
}

// refuse holds that a token is not believed, and that nothing that is said of it has it.
func refuse(t *testing.T, v *workload.Verifier, name, token string) {
	t.Helper()
	w, err := v.Verify(t.Context(), token)
	if access.KindOf(err) != access.KindUnauthenticated || err == nil {
		t.Errorf("a token %s: %+v, %v", name, w, err)
		return
	}
	if parts := strings.Split(token, "."); len(parts) == 3 && len(parts[2]) > 20 && strings.Contains(err.Error(), parts[2]) {
		t.Errorf("the error repeats a token %s", name)
	}
}

// unsafeToken is one that no library makes.
func unsafeToken(header string, payload, secret []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	if secret == nil {
		return text + "."
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Clocks differ by some seconds.
func TestSkew(t *testing.T) {
	i := newIssuer(t)
	v := newVerifier(t, newClock(), i.rule(nil))
	at := func(d time.Duration) int64 { return now().Add(d).Unix() }
	for name, more := range map[string]map[string]any{
		"just over":        {"exp": at(-20 * time.Second)},
		"made in a moment": {"iat": at(20 * time.Second), "nbf": at(20 * time.Second)},
		"of an hour ago":   {"iat": at(-time.Hour - 20*time.Second)},
		"with a fraction":  {"iat": json.RawMessage("1782907200.25")},
		"for a list":       {"aud": []string{"https://curfew.acme.example"}},
	} {
		if _, err := v.Verify(t.Context(), i.token(more)); err != nil {
			t.Errorf("a token %s: %v", name, err)
		}
	}
}

// An issuer changes its keys: what the new one signs is good at once, and the old one is no more, after a while at most.
func TestKeysRotate(t *testing.T) {
	i, c := newIssuer(t), newClock()
	v := newVerifier(t, c, i.rule(nil))
	old := i.token(nil)
	if _, err := v.Verify(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	i.rotate("second")
	// Anybody can make up names of keys: the issuer is asked once in ten seconds.
	for range 20 {
		refuse(t, v, "of a new key, at once", i.token(nil))
	}
	c.pass(10 * time.Second)
	if _, err := v.Verify(t.Context(), i.token(nil)); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	refuse(t, v, "of the old key", old)
	if i.asked.Load() != 2 {
		t.Errorf("its keys were asked for %d times", i.asked.Load())
	}

	// A key is withdrawn, and nobody comes with another.
	withdrawn := i.token(map[string]any{"exp": now().Add(time.Hour).Unix()})
	i.rotate("third")
	c.pass(9 * time.Minute)
	if _, err := v.Verify(t.Context(), withdrawn); err != nil {
		t.Errorf("before anybody looked: %v", err)
	}
	c.pass(2 * time.Minute)
	refuse(t, v, "of a key that was withdrawn", withdrawn)
}

// An issuer that is away is not asked too much, and its keys are used a while longer.
func TestIssuerIsAway(t *testing.T) {
	i, c := newIssuer(t), newClock()
	v := newVerifier(t, c, i.rule(func(r *workload.Rule) { r.MaxAge = 24 * time.Hour }))
	token := i.token(map[string]any{"exp": now().Add(24 * time.Hour).Unix()})
	i.away.Store(true)
	for range 3 {
		if _, err := v.Verify(t.Context(), token); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("before its keys are known: %v", err)
		}
	}
	i.away.Store(false)
	c.pass(10 * time.Second)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	i.away.Store(true)
	c.pass(59 * time.Minute)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("while its keys are usable: %v", err)
	}
	c.pass(2 * time.Minute)
	if _, err := v.Verify(t.Context(), token); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("when they are too old: %v", err)
	}
}

// An issuer that does not answer holds up nobody whose key is known.
func TestIssuerHangs(t *testing.T) {
	i, c := newIssuer(t), newClock()
	v := newVerifier(t, c, i.rule(func(r *workload.Rule) { r.MaxAge = 24 * time.Hour }))
	known := i.token(map[string]any{"exp": now().Add(24 * time.Hour).Unix()})
	verify := func(token string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := v.Verify(ctx, token)
		return err
	}
	if err := verify(known); err != nil {
		t.Fatal(err)
	}
	for name, pass := range map[string]time.Duration{"fresh": 10 * time.Second, "usable": 20 * time.Minute} {
		release := i.hold()
		c.pass(pass)
		i.add(name)
		unknown := i.token(map[string]any{"exp": now().Add(24 * time.Hour).Unix()})
		waits := make(chan error)
		go func() { waits <- verify(unknown) }()
		<-i.reached
		if err := verify(known); err != nil {
			t.Errorf("a token of a known key, which is %s: %v", name, err)
		}
		release()
		if err := <-waits; err != nil {
			t.Errorf("a token of a new key, when the issuer answers: %v", err)
		}
	}
}

// What one who has gone asked for is read for those who come after.
func TestWhoAskedHasGone(t *testing.T) {
	i, c := newIssuer(t), newClock()
	v := newVerifier(t, c, i.rule(nil))
	release := i.hold()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := v.Verify(ctx, i.token(nil))
		gone <- err
	}()
	<-i.reached
	cancel()
	release()
	<-gone
	if _, err := v.Verify(t.Context(), i.token(nil)); err != nil {
		t.Errorf("a token of a key that was read for another: %v", err)
	}
}

// What an issuer says of itself leads nowhere that must not be reached.
func TestIssuerLeadsAway(t *testing.T) {
	for name, says := range map[string]func(*issuer) map[string]any{
		"to a metadata service":      func(*issuer) map[string]any { return map[string]any{"jwks_uri": "http://169.254.169.254/keys"} },
		"by a redirect":              func(i *issuer) map[string]any { return map[string]any{"jwks_uri": i.URL + "/elsewhere"} },
		"to a file":                  func(*issuer) map[string]any { return map[string]any{"jwks_uri": "file:///etc/passwd"} },
		"nowhere":                    func(*issuer) map[string]any { return map[string]any{"jwks_uri": ""} },
		"to another name of its own": func(*issuer) map[string]any { return map[string]any{"issuer": "https://evil.example"} },
		"to what is not its keys' list": func(i *issuer) map[string]any {
			return map[string]any{"jwks_uri": i.URL + "/.well-known/openid-configuration"}
		},
	} {
		i := newIssuer(t)
		i.extra = says(i)
		v := newVerifier(t, newClock(), i.rule(nil))
		if _, err := v.Verify(t.Context(), i.token(nil)); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("an issuer that leads %s: %v", name, err)
		}
	}
}

// Keys that prove nothing are none: secrets, short ones, those for something else.
func TestKeysThatAreNone(t *testing.T) {
	i := newIssuer(t)
	forEncryption := i.key.Public()
	forEncryption.Use = "enc"
	i.keys = []jose.JSONWebKey{{Key: []byte("a secret that everybody can read"), KeyID: "first"}, forEncryption}
	v := newVerifier(t, newClock(), i.rule(nil))
	if _, err := v.Verify(t.Context(), i.token(nil)); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("%v", err)
	}
}

// Keys come from a file where the issuer cannot be reached, and are read again when the file changes.
func TestKeysOfAFile(t *testing.T) {
	i, c := newIssuer(t), newClock()
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func() {
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: i.keys})
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	i.away.Store(true)
	v, err := workload.New(workload.Config{Rules: []workload.Rule{i.rule(nil)}, Keys: map[string]workload.KeySource{i.URL: {File: file}}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), i.token(nil)); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("without the file: %v", err)
	}
	write()
	c.pass(10 * time.Second)
	if _, err := v.Verify(t.Context(), i.token(nil)); err != nil {
		t.Error(err)
	}
	i.rotate("second")
	write()
	c.pass(10 * time.Second)
	if _, err := v.Verify(t.Context(), i.token(nil)); err != nil {
		t.Error(err)
	}
}

// One rule lets so many in at once, and no more for some time.
func TestRate(t *testing.T) {
	i, c := newIssuer(t), newClock()
	v := newVerifier(t, c, i.rule(nil))
	token := i.token(nil)
	for n := range 101 {
		_, err := v.Verify(t.Context(), token)
		if n < 100 && err != nil || n == 100 && access.KindOf(err) != access.KindExhausted {
			t.Fatalf("token %d: %v", n+1, err)
		}
	}
	c.pass(100 * time.Millisecond)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("a moment later: %v", err)
	}
}
