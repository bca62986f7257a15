package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/workload"
	"github.com/curfewhq/curfew/internal/oauth"
	"github.com/curfewhq/curfew/internal/signin"
)

// platform is an issuer whose keys are in a file, and endpoints that trust one of its workloads.
type platform struct {
	*house
	directory *directory.Directory
	signer    jose.Signer
	trusting  bool
}

const platformIssuer = "https://issuer.example"

func newPlatform(t *testing.T) *platform {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	named := jose.JSONWebKey{Key: key, KeyID: "k", Algorithm: string(jose.ES256)}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{named.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &platform{house: &house{TB: t, World: enginetest.New(t)}, trusting: true}
	if p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: named}, nil); err != nil {
		t.Fatal(err)
	}
	service := access.PrincipalID{Issuer: access.StaticIssuer, Subject: "deployer"}
	verifier, err := workload.New(workload.Config{
		Keys: map[string]workload.KeySource{platformIssuer: {File: file}}, Now: time.Now,
		Rules: []workload.Rule{{
			Name: "deploy", Issuer: platformIssuer, Audience: "curfew", Claims: map[string][]string{"sub": {"job-1"}}, MaxAge: time.Hour,
			Principal: service, Scopes: []access.Scope{access.ScopeRead, access.ScopeRequest}, Lifetime: 15 * time.Minute,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.directory, err = directory.New(directory.Config{
		Entries: []directory.Entry{{Principal: access.Principal{ID: service, Kind: access.Service, Person: "carol"}}}, Store: p.Store,
		Tenant: access.DefaultTenant, Workloads: map[string]access.PrincipalID{"deploy": service},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	p.url = "http://" + server.Listener.Addr().String()
	nobody := func() signin.Provider { return signin.Provider{} }
	server.Config.Handler = oauth.New(oauth.Config{
		URL: p.url, Desk: signin.New(signin.Config{URL: p.url, Provider: nobody, Sealer: p.Sealer(), Now: time.Now}), Log: slog.New(slog.NewTextHandler(&p.log, nil)), Now: time.Now,
		Sessions: directory.NewRegistrar(p.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return p.directory }),
		Workloads: func() identity.WorkloadVerifier {
			if !p.trusting {
				return nil
			}
			return verifier
		},
	})
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// show is a token of the platform, of that workload.
func (p *platform) show(subject string) string {
	p.Helper()
	text, err := json.Marshal(map[string]any{"iss": platformIssuer, "aud": "curfew", "sub": subject, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()})
	if err != nil {
		p.Fatal(err)
	}
	signed, err := p.signer.Sign(text)
	if err != nil {
		p.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.Fatal(err)
	}
	return token
}

func exchanging(token string) url.Values {
	return url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {oauth.ClientID},
		"subject_token": {token}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	}
}

func TestExchange(t *testing.T) {
	p := newPlatform(t)
	for _, kind := range []string{"jwt", "id_token"} {
		form := exchanging(p.show("job-1"))
		form.Set("subject_token_type", "urn:ietf:params:oauth:token-type:"+kind)
		status, got := p.token(form)
		token, _ := got["access_token"].(string)
		if status != 200 || got["issued_token_type"] != "urn:ietf:params:oauth:token-type:access_token" || got["token_type"] != "Bearer" || got["scope"] != "read request" {
			t.Fatalf("%d %v", status, got)
		}
		if ends, _ := got["expires_in"].(float64); ends < 800 || ends > 900 {
			t.Errorf("it expires in %v s", got["expires_in"])
		}
		if c, err := p.directory.Authenticate(t.Context(), token); err != nil || c.ID.Subject != "deployer" || c.Session.Kind != access.SessionWorkload {
			t.Errorf("the token is %+v, %v", c, err)
		}
	}
}

func TestExchangeRefused(t *testing.T) {
	p := newPlatform(t)
	good := p.show("job-1")
	stranger := p.show("job-2")
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"another workload":         {map[string]string{"subject_token": stranger}, "invalid_grant"},
		"no token":                 {map[string]string{"subject_token": ""}, "invalid_grant"},
		"another kind of token":    {map[string]string{"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		"no kind of token":         {map[string]string{"subject_token_type": ""}, "invalid_request"},
		"in another's name":        {map[string]string{"actor_token": good}, "invalid_request"},
		"for another kind":         {map[string]string{"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"},
		"with more scopes":         {map[string]string{"scope": "admin"}, "invalid_target"},
		"for another audience":     {map[string]string{"audience": "elsewhere"}, "invalid_target"},
		"of another program":       {map[string]string{"client_id": "another"}, "invalid_client"},
		"a token that is too long": {map[string]string{"subject_token": good + strings.Repeat("x", 9<<10)}, "invalid_grant"},
		"a form that is too long":  {map[string]string{"subject_token": strings.Repeat("x", 17<<10)}, "invalid_request"},
	} {
		form := maps.Clone(exchanging(good))
		for key, value := range c.change {
			form.Set(key, value)
		}
		if status, got := p.token(form); status != 400 || got["error"] != c.want {
			t.Errorf("%s: %d %v, want %s", name, status, got, c.want)
		}
	}
	said := p.log.String()
	if !strings.Contains(said, "job-2") {
		t.Error("the log does not say whose token was refused")
	}
	for _, token := range []string{good, stranger} {
		if signature := token[strings.LastIndexByte(token, '.')+1:]; strings.Contains(said, signature) {
			t.Error("the log has a token")
		}
	}
	p.trusting = false
	if status, got := p.token(exchanging(good)); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("where no workload is trusted: %d %v", status, got)
	}
}
