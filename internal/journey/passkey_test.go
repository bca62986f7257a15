package journey

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// cache is a Redis with an account of Curfew's, and its part of a configuration.
func (h *house) cache() (config string) {
	h.Helper()
	server := h.newCache()
	h.env = append(h.env, "REDIS_PASSWORD=the cache's password")
	return fmt.Sprintf(`
connectors:
  cache:
    type: redis
    url: %s
    password: env:REDIS_PASSWORD
    resources:
      orders:
        permissions:
          read: {commands: ["+@read"], keys: ["%%R~orders:*"]}
          write: {commands: ["+@write"], keys: ["~orders:*"]}
`, server.URL())
}

// authenticator gives the browser a passkey's keeper that verifies its user at once.
func (b *browser) authenticator() webauthn.AuthenticatorID {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		b.Fatal(err)
	}
	present := webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
		HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}
	made, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &present})
	if err != nil {
		b.Fatal(err)
	}
	return made.AuthenticatorID
}

// inBrowser runs a command that has something confirmed in a browser, and returns when it says where.
func (h *house) inBrowser(who string, args ...string) (p *process, page string) {
	h.Helper()
	p = h.start(h.command(who, "curfew", append(args, "--no-browser")...))
	return p, p.await(`(http://\S+/confirm/\S+)`)
}

// exits waits for the command, which must exit so.
func (p *process) exits(code int) {
	p.Helper()
	if got := p.exit(); got != code {
		p.Fatalf("it exits with %d, want %d:\n%s", got, code, p.said.String())
	}
}

// answer opens the page and answers with the browser's passkey.
func (b *browser) answer(page string) {
	b.Helper()
	b.do(chromedp.Navigate(page), chromedp.Click(chromedp.CSS(`#passkey`)))
}

// register has somebody register their first passkey.
func (h *house) register(b *browser, who string) {
	h.Helper()
	p, page := h.inBrowser(who, "passkeys", "add", "--label", "laptop")
	b.answer(page)
	b.text(`p[role=status]`)
	p.exits(0)
}

func TestPasskeys(t *testing.T) {
	h := newHouse(t)
	h.serve(h.cache() + `
policies:
  - name: confirmed
    who: ['group:oidc/payments']
    what: ['cache/**:read']
    max_duration: 1h
    require: {reason: true, mfa: true}
    approve: auto
  - name: reviewed
    who: ['group:oidc/payments']
    what: ['cache/**:write']
    max_duration: 1h
    approve: [{from: ['group:oidc/leads'], mfa: true}]
`)
	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")

	if _, said, code := h.curfew("alice", "request", "cache/orders:read", "--reason", "look", "--no-browser"); code != 0 || !strings.Contains(said, "curfew passkeys add") {
		t.Fatalf("without a passkey the request exits with %d and says %s", code, said)
	}
	b.authenticator()
	h.register(b, "alice")

	p, page := h.inBrowser("alice", "request", "cache/orders:read", "--for", "10m", "--reason", "look at order 17", "--wait")
	b.do(chromedp.Navigate(page))
	if shown := b.text(`dl`); !strings.Contains(shown, "cache/orders:read") || !strings.Contains(shown, "10m") || !strings.Contains(shown, "look at order 17") || !strings.Contains(shown, "Alice Adler") {
		t.Errorf("the page shows %q", shown)
	}
	b.show("confirm-request")
	b.do(chromedp.Click(chromedp.CSS(`#passkey`)))
	b.text(`p[role=status]`)
	p.exits(0)
	if !strings.Contains(p.said.String(), "is yours") {
		t.Errorf("the request ends with\n%s", p.said.String())
	}

	// Who says No in the browser confirms nothing.
	p, page = h.inBrowser("alice", "request", "cache/orders:read", "--for", "10m", "--reason", "again")
	b.do(chromedp.Navigate(page), chromedp.Click(chromedp.CSS(`form[action$=refuse] button:not([type=button])`)))
	b.text(`p[role=status]`)
	p.exits(0) // the request stays, and waits
	if !strings.Contains(p.said.String(), "curfew confirm") {
		t.Errorf("the request ends with\n%s", p.said.String())
	}

	reviewWithPasskey(t, h, b)
	recoverPasskeys(t, h, b)
}

// reviewWithPasskey has Bob agree to what Alice asks for.
func reviewWithPasskey(t *testing.T, h *house, b *browser) {
	t.Helper()
	bobs := newBrowser(t)
	bobs.authenticator()
	h.signIn(bobs, "bob", "bob@acme.example", "bob's password")
	h.register(bobs, "bob")
	asked := read[struct{ ID string }](t, h.must("alice", "request", "cache/orders:write", "--for", "10m", "--reason", "correct order 17", "-o", "json"))
	p, page := h.inBrowser("bob", "approve", asked.ID, "--cap", "5m", "--comment", "go ahead")
	bobs.do(chromedp.Navigate(page))
	if shown := bobs.text(`main`); !strings.Contains(shown, "Approve this request?") || !strings.Contains(shown, "Alice Adler") || !strings.Contains(shown, "5m") {
		t.Errorf("the page shows %q", shown)
	}
	bobs.show("confirm-review")
	bobs.do(chromedp.Click(chromedp.CSS(`#passkey`)))
	bobs.text(`p[role=status]`)
	p.exits(0)
	if !strings.Contains(p.said.String(), "is approved") {
		t.Errorf("the review ends with\n%s", p.said.String())
	}
	// Alice's browser has no passkey of Bob's: what is his she cannot confirm.
	p, page = h.inBrowser("bob", "passkeys", "recovery-codes")
	b.answer(page)
	b.text(`#problem:not([hidden])`)
	p.stop()
}

// recoverPasskeys has Alice lose her passkey, and register another one with a recovery code.
func recoverPasskeys(t *testing.T, h *house, b *browser) {
	t.Helper()
	p, page := h.inBrowser("alice", "passkeys", "recovery-codes")
	b.answer(page)
	codes := strings.Fields(b.text(`#codes`))
	b.show("recovery-codes")
	p.exits(0)
	if len(codes) != 10 {
		t.Fatalf("the codes are %q", codes)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.Disable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.authenticator()
	p, page = h.inBrowser("alice", "passkeys", "add", "--label", "new laptop")
	b.do(chromedp.Navigate(page), chromedp.SendKeys(chromedp.CSS(`#code`), codes[3]), chromedp.Click(chromedp.CSS(`#recovery button`)))
	b.do(chromedp.WaitVisible(chromedp.CSS(`#ceremony[data-kind=create]`)))
	b.do(chromedp.Click(chromedp.CSS(`#passkey`)))
	b.text(`p[role=status]`)
	p.exits(0)
	type passkeys struct {
		Items         []struct{ ID, Label string }
		RecoveryCodes int `json:"recovery_codes"`
	}
	list := read[passkeys](t, h.must("alice", "passkeys", "-o", "json"))
	if len(list.Items) != 2 || list.RecoveryCodes != 9 {
		t.Fatalf("she has %+v", list)
	}
	p, page = h.inBrowser("alice", "passkeys", "remove", list.Items[0].ID)
	b.answer(page)
	b.text(`p[role=status]`)
	p.exits(0)
	if list = read[passkeys](t, h.must("alice", "passkeys", "-o", "json")); len(list.Items) != 1 || list.Items[0].Label != "new laptop" {
		t.Errorf("she has %+v", list)
	}
}

// A passkey is added and removed from the pages of who is signed in, with a browser alone.
func TestPasskeysOfTheAccount(t *testing.T) {
	h := newHouse(t)
	h.serve("")
	b := newBrowser(t)
	b.authenticator()
	h.signInHere(b, "alice@acme.example", "alice's password")
	b.accessible(h.url+"/account", h.url+"/account/sessions", h.url+"/account/passkeys")
	passkeys := chromedp.Navigate(h.url + "/account/passkeys")
	b.do(passkeys)
	b.show("web-passkeys-none")
	b.do(chromedp.SendKeys(chromedp.CSS(`#label`), "blue key"), chromedp.Click(chromedp.CSS(`button.primary`)))
	b.do(chromedp.Click(chromedp.CSS(`#passkey`)))
	b.text(`p[role=status]`)
	b.do(passkeys)
	if shown := b.text(`table`); !strings.Contains(shown, "blue key") {
		t.Errorf("the passkeys are %q", shown)
	}
	b.look("web-passkeys")
	b.accessible(h.url + "/account/passkeys")
	b.do(chromedp.Click(chromedp.CSS(`td form button`)), chromedp.Click(chromedp.CSS(`#passkey`)))
	b.text(`p[role=status]`)
	b.do(passkeys)
	if shown := b.text(`main`); !strings.Contains(shown, "You have none yet") {
		t.Errorf("afterwards the page shows %q", shown)
	}
	b.do(chromedp.Click(chromedp.CSS(`header form button`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	b.accessible(h.url+"/signed-out", h.url+"/account")
}
