package localpeer_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestDex signs somebody in: dex sends them back to the program with a code, and nobody with a wrong password.
func TestDex(t *testing.T) {
	const back = "http://127.0.0.1:1/callback"
	dex, err := localpeer.StartDex(t.Context(), localpeer.DexOptions{
		Clients:  []localpeer.DexClient{{ID: "curfew", Secret: "client-secret", Redirects: []string{back}}},
		Users:    []localpeer.DexUser{{ID: "u1", Email: "alice@acme.example", Name: "alice", Password: "a password", Groups: []string{"engineering"}}},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dex.Stop() })
	begin := dex.Issuer() + "/auth?" + url.Values{
		"client_id": {"curfew"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid groups"}, "state": {"a state"},
	}.Encode()
	if at, err := dex.SignIn(t.Context(), begin, "alice@acme.example", "another"); !errors.Is(err, localpeer.ErrSignIn) {
		t.Errorf("with a wrong password: %s, %v", at, err)
	}
	at, err := dex.SignIn(t.Context(), begin, "alice@acme.example", "a password")
	if err != nil {
		t.Fatal(err)
	}
	if to, err := url.Parse(at); err != nil || to.Host != "127.0.0.1:1" || to.Query().Get("code") == "" || to.Query().Get("state") != "a state" {
		t.Errorf("signed in, Alice is sent to %s, %v", at, err)
	}
}
