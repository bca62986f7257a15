package journey

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// login runs curfew login for somebody, and returns when it says where to sign in.
func (h *house) login(who string, more ...string) (p *process, page string) {
	h.Helper()
	p = h.start(h.command(who, "curfew", append([]string{"login", h.url, "--no-browser"}, more...)...))
	return p, p.await(`(https?://\S+/oauth/authorize\S+)`)
}

// A machine without a browser is signed in with one elsewhere.
func TestLoginOnADevice(t *testing.T) {
	h := newHouse(t)
	h.serve("")
	b := newBrowser(t)
	p := h.start(h.command("bob", "curfew", "login", h.url, "--device"))
	code := p.await(`type this code:\s+([A-Z]{4}-[A-Z]{4})`)
	b.do(chromedp.Navigate(h.url + "/device"))
	b.show("device")
	b.do(chromedp.SendKeys(chromedp.CSS(`#user_code`), "bcdf"), chromedp.Click(chromedp.CSS(`button`)))
	if said := b.text(`[role=alert]`); !strings.HasPrefix(said, "No device waits") {
		t.Errorf("a wrong code: %q", said)
	}
	b.show("device-wrong")
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
	b.do(chromedp.SendKeys(chromedp.CSS(`#user_code`), typed))
	b.do(chromedp.Click(chromedp.CSS(`button`)))
	b.signInAtDex("bob@acme.example", "bob's password")
	if shown := b.text(`.code`); shown != code {
		t.Errorf("the page asks about the device with %q, not %q", shown, code)
	}
	b.show("device-confirm")
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)))
	if said := b.text(`[role=status]`); !strings.HasPrefix(said, "Your device is signed in.") {
		t.Errorf("the browser ends with %q", said)
	}
	b.show("device-done")
	if code := p.exit(); code != 0 || !strings.Contains(p.said.String(), "as Bob Brand") {
		t.Fatalf("curfew login exits with %d and says\n%s", code, p.said.String())
	}
	h.must("bob", "whoami")
}

// signIn signs somebody in through the provider's real pages.
func (h *house) signIn(b *browser, who, email, password string) {
	h.Helper()
	p, page := h.login(who)
	b.do(chromedp.Navigate(page))
	b.signInAtDex(email, password)
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	if code := p.exit(); code != 0 {
		h.Fatalf("curfew login exits with %d:\n%s", code, p.said.String())
	}
}

func TestLogin(t *testing.T) {
	h := newHouse(t)
	h.serve("")
	b := newBrowser(t)

	p, page := h.login("alice")
	b.do(chromedp.Navigate(page))
	b.signInAtDex("alice@acme.example", "alice's password")
	if name := b.text(`strong`); name != "Alice Adler" {
		t.Errorf("the page asks %q whether it was them", name)
	}
	if program := b.text(`.program`); !strings.HasPrefix(program, "curfew") {
		t.Errorf("the page asks about %q", program)
	}
	b.show("confirm")
	b.do(chromedp.Click(chromedp.CSS(`button[value=yes]`)))
	if said := b.text(`p[role=status]`); !strings.HasPrefix(said, "You are signed in.") {
		t.Errorf("the browser ends with %q", said)
	}
	if code := p.exit(); code != 0 || !strings.Contains(p.said.String(), "as Alice Adler (oidc/") {
		t.Fatalf("curfew login exits with %d and says\n%s", code, p.said.String())
	}

	type principal struct {
		Principal, Kind, Person, Name string
		Groups                        []string
		Session                       struct{ Kind, Label string }
	}
	me := read[principal](t, h.must("alice", "whoami", "-o", "json"))
	if me.Name != "Alice Adler" || strings.Join(me.Groups, " ") != "oidc/payments" || me.Session.Kind != "sign-in" {
		t.Errorf("whoami: %+v", me)
	}
	type sessions struct{ Items []struct{ ID, Label string } }
	if list := read[sessions](t, h.must("alice", "sessions", "-o", "json")); len(list.Items) != 1 {
		t.Errorf("sessions: %+v", list)
	}

	h.must("alice", "logout")
	if _, said, code := h.curfew("alice", "whoami"); code != 3 || !strings.Contains(said, "curfew login") {
		t.Errorf("after signing out whoami exits with %d and says %s", code, said)
	}
}
