package localpeer_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestOIDCProvider signs somebody in and out: the provider tells the program of both.
func TestOIDCProvider(t *testing.T) {
	const back, after = "http://127.0.0.1:1/callback", "http://127.0.0.1:1/signed-out"
	told := make(chan string, 1)
	program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.FormValue("logout_token") }))
	t.Cleanup(program.Close)
	p, err := localpeer.StartOIDCProvider(t.Context(), localpeer.OIDCProviderOptions{
		Clients: []localpeer.OIDCClient{{
			ID: "curfew", Secret: "client-secret", Redirects: []string{back}, AfterLogout: []string{after}, BackChannel: program.URL, WithSession: true,
		}},
		Users:    []localpeer.DexUser{{ID: "u1", Email: "alice@acme.example", Name: "alice", Password: "a password", Groups: []string{"engineering"}}},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	begin := p.Issuer() + "/auth?" + url.Values{
		"client_id": {"curfew"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid groups"}, "state": {"a state"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
	alice, err := p.NewVisitor()
	if err != nil {
		t.Fatal(err)
	}
	if at, err := alice.SignIn(t.Context(), begin, "alice@acme.example", "another"); !errors.Is(err, localpeer.ErrSignIn) {
		t.Errorf("with a wrong password: %s, %v", at, err)
	}
	wantAt := func(at, want string, err error, name string) {
		t.Helper()
		to, parseErr := url.Parse(at)
		if err != nil || parseErr != nil || to.Path != want || to.Query().Get("state") != "a state" || name != "" && to.Query().Get(name) == "" {
			t.Fatalf("Alice is sent to %s, %v", at, errors.Join(err, parseErr))
		}
	}
	at, err := alice.SignIn(t.Context(), begin, "alice@acme.example", "a password")
	wantAt(at, "/callback", err, "code")

	at, err = alice.SignOut(t.Context(), p.Issuer()+"/session/end?"+url.Values{
		"client_id": {"curfew"}, "post_logout_redirect_uri": {after}, "state": {"a state"},
	}.Encode())
	wantAt(at, "/signed-out", err, "")
	select {
	case token := <-told:
		if token == "" {
			t.Error("the program is told nothing")
		}
	case <-time.After(time.Minute):
		said, err := p.Log()
		t.Errorf("the program is not told; the provider says %s, %v", said, err)
	}
}
