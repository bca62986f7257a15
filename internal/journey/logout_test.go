package journey

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// newHouseWithExit is a house whose identity provider ends sessions, and says so.
func newHouseWithExit(t testing.TB) *house {
	t.Helper()
	h := newPrograms(t)
	p, err := localpeer.StartOIDCProvider(t.Context(), localpeer.OIDCProviderOptions{
		Clients: []localpeer.OIDCClient{{
			ID: "curfew", Secret: "client-secret", Redirects: []string{h.url + "/oauth/callback"}, AfterLogout: []string{h.url + "/oauth/signed-out"},
			BackChannel: h.url + "/oauth/backchannel", WithSession: true,
		}},
		Users:    []localpeer.DexUser{{ID: "u-alice", Email: "alice@acme.example", Name: "Alice Adler", Password: "alice's password", Groups: []string{"payments"}}},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	h.issuer = p.Issuer()
	return h
}

// Whoever signs out at the provider is signed out here, on the machine with that browser and on the device that it let in.
func TestLogoutAtProvider(t *testing.T) {
	h := newHouseWithExit(t)
	h.serve("")
	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	h.must("alice", "whoami")

	// The browser is signed in at the provider: the device is let in without a password.
	p := h.start(h.command("alice-elsewhere", "curfew", "login", h.url, "--device"))
	code := p.await(`type this code:\s+([A-Z]{4}-[A-Z]{4})`)
	b.do(chromedp.Navigate(h.url+"/device?user_code="+code), chromedp.Click(chromedp.CSS(`button`)))
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	if code := p.exit(); code != 0 {
		t.Fatalf("curfew login --device exits with %d:\n%s", code, p.said.String())
	}
	h.must("alice-elsewhere", "whoami")

	// Another browser is another session there.
	other := newBrowser(t)
	h.signIn(other, "alice-at-home", "alice@acme.example", "alice's password")

	_, said, exit := h.curfew("alice", "logout", "--provider", "--no-browser")
	if exit != 0 || !strings.Contains(said, h.url+"/oauth/logout") {
		t.Fatalf("curfew logout --provider exits with %d and says\n%s", exit, said)
	}
	h.must("alice-elsewhere", "whoami") // the provider does not know yet
	b.do(chromedp.Navigate(h.url + "/oauth/logout"))
	b.show("provider-asks")
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)))
	if said := b.text(`p[role=status]`); !strings.HasPrefix(said, "You are signed out at your identity provider.") {
		t.Errorf("the browser ends with %q", said)
	}
	b.show("signed-out")
	for _, who := range []string{"alice", "alice-elsewhere"} {
		if _, said, code := h.curfew(who, "whoami"); code != 3 || !strings.Contains(said, "curfew login") {
			t.Errorf("after signing out at the provider whoami of %s exits with %d and says %s", who, code, said)
		}
	}
	h.must("alice-at-home", "whoami")

	// Signing out there is possible when nothing is left to sign out of here.
	if out, said, exit := h.curfew("alice", "logout", "--provider", "--no-browser"); exit != 0 || !strings.Contains(said, "/oauth/logout") {
		t.Errorf("signing out twice exits with %d: %s%s", exit, out, said)
	}

	// And the browser is asked for a password again.
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	h.must("alice", "whoami")
}

// Whoever signs out of the browser can sign out at the provider too; whoever signs out there alone is signed out of the browser.
func TestBrowserLogoutAtProvider(t *testing.T) {
	h := newHouseWithExit(t)
	h.serve("")
	b := newBrowser(t)
	h.signInHere(b, "alice@acme.example", "alice's password")
	if c := b.cookie(); c == nil || c.Name != "curfew-session" || c.Secure || !c.HTTPOnly {
		t.Errorf("over plain HTTP on one machine the cookie is %+v", c)
	}
	signOut := func() {
		b.do(chromedp.Click(chromedp.CSS(`header form button`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	}
	signOut()
	b.show("web-signed-out-but-there")

	// The provider still knows her, until she signs out there.
	b.do(chromedp.Click(chromedp.CSS(`main form button`)), chromedp.WaitVisible(chromedp.CSS(`nav`)))
	signOut()
	b.do(chromedp.Click(chromedp.CSS(`main a`)), chromedp.Click(chromedp.CSS(`button[value=yes]`)))
	if said := b.text(`p[role=status]`); !strings.HasPrefix(said, "You are signed out at your identity provider.") {
		t.Errorf("the browser ends with %q", said)
	}

	// At the provider alone: its word ends the session here.
	h.signInHere(b, "alice@acme.example", "alice's password")
	b.do(chromedp.Navigate(h.url+"/oauth/logout"), chromedp.Click(chromedp.CSS(`button[value=yes]`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	if b.cookie() == nil {
		t.Error("the browser has lost its cookie; this shows nothing")
	}
	b.refused("signed out at the provider", h.url+"/account")
}
