package workload_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity/workload"
)

// issuer is one of our own, which mints tokens as GitHub's documentation says that its look (Actions, OpenID Connect reference,
// "Understanding the OIDC token"). GitHub's own was not asked.
type issuer struct {
	testing.TB
	*httptest.Server
	mu    sync.Mutex
	key   jose.JSONWebKey
	keys  []jose.JSONWebKey
	extra map[string]any // of what it says of itself
	asked atomic.Int32   // how often its keys were
	away  atomic.Bool
	held  atomic.Pointer[chan struct{}] // it does not answer until this is closed
	// reached has something when somebody is held.
	reached chan struct{}
}

func newKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.RS256), Use: "sig"}
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{TB: t, key: newKey(t, "first"), extra: map[string]any{}, reached: make(chan struct{}, 10)}
	i.keys = []jose.JSONWebKey{i.key.Public()}
	mux := http.NewServeMux()
	answer := func(path string, what func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if held := i.held.Load(); held != nil {
				i.reached <- struct{}{}
				<-*held
			}
			if i.away.Load() {
				http.Error(w, "away", http.StatusBadGateway)
				return
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(what()); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		says := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks"}
		maps.Copy(says, i.extra)
		return says
	})
	answer("/jwks", func() any {
		i.asked.Add(1)
		return jose.JSONWebKeySet{Keys: i.keys}
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// hold has it answer nobody until release is called.
func (i *issuer) hold() (release func()) {
	held := make(chan struct{})
	i.held.Store(&held)
	return func() {
		i.held.Store(nil)
		close(held)
	}
}

// add has it sign with another key beside those that it publishes.
func (i *issuer) add(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = newKey(i.TB, id)
	i.keys = append(i.keys, i.key.Public())
}

// rotate has it sign with another key; the old one is no more among those that it publishes.
func (i *issuer) rotate(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = newKey(i.TB, id)
	i.keys = []jose.JSONWebKey{i.key.Public()}
}

// now is when the tests happen, unless time passes.
func now() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

// claims are of a good token, with changes; nil takes a claim out.
func (i *issuer) claims(more map[string]any) map[string]any {
	c := map[string]any{
		"iss": i.URL, "aud": "https://curfew.acme.example", "sub": "repo:acme/orders:environment:production",
		"jti": "example-id", "iat": now().Unix(), "nbf": now().Add(-5 * time.Minute).Unix(), "exp": now().Add(5 * time.Minute).Unix(),
		"ref": "refs/heads/main", "ref_type": "branch", "sha": "example-sha", "repository": "acme/orders", "repository_id": "74",
		"repository_owner": "acme", "repository_owner_id": "65", "repository_visibility": "private", "environment": "production",
		"actor": "octocat", "actor_id": "12", "workflow": "deploy", "workflow_ref": "acme/orders/.github/workflows/deploy.yml@refs/heads/main",
		"event_name": "push", "run_id": "example-run-id", "run_number": "10", "run_attempt": "2", "runner_environment": "github-hosted",
		"job_workflow_ref": "acme/orders/.github/workflows/deploy.yml@refs/heads/main", "head_ref": "", "base_ref": "",
	}
	for name, value := range more {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// token signs claims with the key that it has now.
func (i *issuer) token(more map[string]any) string {
	i.Helper()
	text, err := json.Marshal(i.claims(more))
	if err != nil {
		i.Fatal(err)
	}
	return sign(i.TB, i.key, jose.RS256, text)
}

func sign(t testing.TB, key any, algorithm jose.SignatureAlgorithm, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// rule trusts the good token.
func (i *issuer) rule(change func(*workload.Rule)) workload.Rule {
	r := workload.Rule{
		Name: "deploy", Issuer: i.URL, Audience: "https://curfew.acme.example", MaxAge: time.Hour, Lifetime: 15 * time.Minute,
		Claims: map[string][]string{
			"repository_id": {"74"}, "repository_owner_id": {"65"}, "environment": {"staging", "production"}, "event_name": {"push"},
		},
		Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "deployer"}, Scopes: []access.Scope{access.ScopeRead},
	}
	if change != nil {
		change(&r)
	}
	return r
}

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(now().UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

func newVerifier(t testing.TB, c *clock, rules ...workload.Rule) *workload.Verifier {
	t.Helper()
	v, err := workload.New(workload.Config{Rules: rules, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
