package journey

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Somebody with two accounts proves that both are theirs, and does not review under one what they asked for under the other.
func TestLink(t *testing.T) {
	h := newHouse(t)
	h.serve(h.cache() + `
policies:
  - {name: reviewed, who: ['group:oidc/payments'], what: ['cache/**:read'], max_duration: 1h, approve: [{from: ['group:oidc/payments', 'group:platform']}]}
`)
	b := newBrowser(t)
	h.signIn(b, "alice", "alice@acme.example", "alice's password")
	before := read[struct{ Person string }](t, h.must("alice", "whoami", "-o", "json"))

	p := h.start(h.command("alice", "curfew", "persons", "link", "--device"))
	code := p.await(`type this code:\s+([A-Z]{4}-[A-Z]{4})`)
	b.do(chromedp.Navigate(h.url+"/device"), chromedp.SendKeys(chromedp.CSS(`#user_code`), code), chromedp.Click(chromedp.CSS(`button`)))
	b.signInAtDex("bob@acme.example", "bob's password")
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)), chromedp.WaitVisible(chromedp.CSS(`[role=status]`)))
	if code := p.exit(); code != 0 || !strings.Contains(p.said.String(), before.Person) {
		t.Fatalf("curfew persons link exits with %d and says\n%s", code, p.said.String())
	}
	h.signIn(b, "bob", "bob@acme.example", "bob's password")
	if now := read[struct{ Person string }](t, h.must("bob", "whoami", "-o", "json")); now != before {
		t.Errorf("the other account is the person %s, and not %s", now.Person, before.Person)
	}
	asked := read[struct{ ID string }](t, h.must("alice", "request", "cache/orders:read", "--for", "10m", "--reason", "look at order 17", "-o", "json"))
	if _, said, code := h.curfew("bob", "approve", asked.ID); code != 3 || !strings.Contains(said, "own") {
		t.Errorf("under the other account approve exits with %d and says %s", code, said)
	}
	h.env = append(h.env, "CURFEW_URL="+h.url, "CURFEW_TOKEN=carol's token")
	if shown := h.must("carol", "requests", "--to-review"); !strings.Contains(shown, "Alice Adler (oidc/") {
		t.Errorf("a reviewer is shown\n%s", shown)
	}
	h.must("carol", "approve", asked.ID)
}
