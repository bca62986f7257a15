package journey

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// newSecureHouse is a house that people reach over TLS, by way of a proxy on its machine. What it returns besides has a browser
// trust the proxy.
func newSecureHouse(t testing.TB) (*house, chromedp.ExecAllocatorOption) {
	t.Helper()
	h := newPrograms(t)
	to, err := url.Parse("http://" + h.listen)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.SetXForwarded()
	}})
	t.Cleanup(proxy.Close)
	h.url = proxy.URL
	path := filepath.Join(h.folder, "proxy.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "SSL_CERT_FILE="+path)
	h.startDex()
	key := sha256.Sum256(proxy.Certificate().RawSubjectPublicKeyInfo)
	return h, chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:]))
}

// cookie is the one of a browser's session, or nil.
func (b *browser) cookie() *network.Cookie {
	b.Helper()
	all, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range all.Cookies {
		if strings.HasSuffix(c.Name, "curfew-session") {
			return c
		}
	}
	return nil
}

// open goes to a page, and returns the status of the answer.
func (b *browser) open(at string) int64 {
	b.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(at))
	if err != nil {
		b.fail(err)
	}
	return answer.Status
}

// signInHere signs somebody in to Curfew's own pages, for the first time at the provider too.
func (h *house) signInHere(b *browser, email, password string) {
	h.Helper()
	b.do(chromedp.Navigate(h.url+"/sign-in"), chromedp.Click(chromedp.CSS(`button.primary`)))
	b.signInAtDex(email, password)
	b.do(chromedp.WaitVisible(chromedp.CSS(`nav`)))
}

// refused holds a page to an answer for who is not signed in.
func (b *browser) refused(what, at string) {
	b.Helper()
	if status := b.open(at); status != 401 {
		b.Errorf("%s: %d, and the browser shows %q", what, status, b.text(`body`))
	}
	if shown := b.text(`body`); strings.Contains(shown, "Adler") || !strings.Contains(shown, "You are not signed in") {
		b.Errorf("%s: the browser shows %q", what, shown)
	}
}

// programRefused holds a program to an answer for whose session has ended.
func (h *house) programRefused(who string) {
	h.Helper()
	if _, said, code := h.curfew(who, "whoami"); code != 3 || !strings.Contains(said, "curfew login") {
		h.Errorf("whoami of %s exits with %d and says %s", who, code, said)
	}
}

// Alice signs in with a browser, sees what else she is signed in with, ends a program's session from there, and signs out.
func TestBrowserSession(t *testing.T) {
	h, trust := newSecureHouse(t)
	h.serve("")
	b := newBrowser(t, trust)

	b.refused("at first", h.url)
	b.show("web-sign-in")
	h.signInHere(b, "alice@acme.example", "alice's password")
	if shown := b.text(`main`); !strings.Contains(shown, "Alice Adler") || !strings.Contains(shown, "oidc/payments") || !strings.Contains(shown, "Chrome on Linux") {
		t.Errorf("the account shows %q", shown)
	}
	b.look("web-account")
	b.do(chromedp.KeyEvent(kb.Tab))
	b.show("web-skip")
	b.do(chromedp.KeyEvent(kb.Enter))
	if focused, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.activeElement.id`)); focused != "main" || err != nil {
		t.Errorf("the first key leads to %q, %v", focused, err)
	}
	c := b.cookie()
	if c == nil || c.Name != "__Host-curfew-session" || !c.Secure || !c.HTTPOnly || c.Path != "/" || c.SameSite != network.CookieSameSiteLax || !c.Session {
		t.Fatalf("the cookie is %+v", c)
	}
	h.cookieIsNoToken(c)

	// A program of hers is signed in beside the browser, and ended from it.
	h.signIn(newBrowser(t, trust), "alice", "alice@acme.example", "alice's password")
	h.must("alice", "tokens", "create", "--scope", "read", "--for", "24h", "--label", "nightly export")
	b.do(chromedp.Navigate(h.url + "/account/sessions"))
	if shown := b.text(`table`); strings.Count(shown, "this browser") != 1 || !strings.Contains(shown, "nightly export") || !strings.Contains(shown, "program") {
		t.Errorf("her sessions are %q", shown)
	}
	b.look("web-sessions")
	h.must("alice", "whoami")
	b.do(chromedp.Click(chromedp.CSS(`tr:nth-child(2) form button`)), chromedp.WaitVisible(chromedp.CSS(`[role=status]`)))
	b.show("web-session-ended")
	h.programRefused("alice")

	// Signed out, nothing is left: not behind the back button, and not for who has kept the cookie.
	b.do(chromedp.Navigate(h.url+"/account"), chromedp.Click(chromedp.CSS(`header form button`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	b.show("web-signed-out")
	if left := b.cookie(); left != nil {
		t.Errorf("the browser keeps %+v", left)
	}
	b.do(chromedp.NavigateBack(), chromedp.WaitVisible(chromedp.CSS(`h1`)))
	if shown := b.text(`body`); strings.Contains(shown, "Adler") || strings.Contains(shown, "oidc/") {
		t.Errorf("the back button shows %q", shown)
	}
	b.restore(c)
	b.refused("with the cookie from before", h.url+"/account")
	b.show("web-ended")
}

// cookieIsNoToken shows the secret of a browser's session to the API, in every way.
func (h *house) cookieIsNoToken(c *network.Cookie) {
	h.Helper()
	for name, value := range map[string]string{"Cookie": c.Name + "=" + c.Value, "Authorization": "Bearer " + c.Value} {
		r, err := http.NewRequestWithContext(h.Context(), http.MethodGet, "http://"+h.listen+"/v1/whoami", nil)
		if err != nil {
			h.Fatal(err)
		}
		r.Header.Set(name, value)
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			h.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != http.StatusUnauthorized {
			h.Errorf("the API answers a browser's secret as %s with %d", name, got.StatusCode)
		}
	}
}

// restore puts a cookie back.
func (b *browser) restore(c *network.Cookie) {
	b.Helper()
	_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{
		Name: c.Name, Value: c.Value, URL: "https://" + c.Domain, Path: c.Path, Secure: &c.Secure, HTTPOnly: &c.HTTPOnly, SameSite: c.SameSite,
	})
	if err != nil {
		b.Fatal(err)
	}
}

// Signing out everywhere ends the browsers, the programs and the tokens; what a program ends, the browser feels at once.
func TestSignOutEverywhere(t *testing.T) {
	h, trust := newSecureHouse(t)
	h.serve("")
	b, other := newBrowser(t, trust), newBrowser(t, trust)
	h.signInHere(b, "alice@acme.example", "alice's password")
	h.signInHere(other, "alice@acme.example", "alice's password")
	h.signIn(newBrowser(t, trust), "alice", "alice@acme.example", "alice's password")

	type sessions struct {
		Items []struct{ ID, Kind, Label string }
	}
	list := read[sessions](t, h.must("alice", "sessions", "-o", "json"))
	if len(list.Items) != 3 || list.Items[1].Kind != "browser" || list.Items[1].Label != "Chrome on Linux" {
		t.Fatalf("the program lists %+v", list)
	}
	h.must("alice", "sessions", "end", list.Items[1].ID) // the one that began last
	other.refused("ended by a program", h.url+"/account")

	b.do(chromedp.Navigate(h.url+"/account/sessions"), chromedp.Click(chromedp.CSS(`button.grave`)), chromedp.WaitVisible(chromedp.CSS(`p[role=status]`)))
	b.refused("everywhere", h.url+"/account")
	h.programRefused("alice")

	// Whoever is deprovisioned or not: a sign-in begins anew, and does not ask for the password that the provider remembers.
	b.do(chromedp.Click(chromedp.CSS(`button.primary`)), chromedp.WaitVisible(chromedp.CSS(`#login, nav`)))
}

// attacks are what pages of other sites try, in the browser of somebody who is signed in.
func attacks(h *house) map[string]string {
	post := func(path string) string {
		return `<form method="post" action="` + h.url + path + `"></form><script>document.forms[0].submit()</script>`
	}
	return map[string]string{
		"sign out":            post("/sign-out"),
		"sign out everywhere": post("/sign-out/everywhere"),
		"sign in":             post("/sign-in"),
		"add a passkey":       post("/account/passkeys"),
	}
}

// Pages of other sites change nothing: of another host, which cookies do not come from, and of another port of the same, which
// browsers call the same site and send them from.
func TestOtherSites(t *testing.T) {
	h, trust := newSecureHouse(t)
	h.serve("")
	b := newBrowser(t, trust)
	h.signInHere(b, "alice@acme.example", "alice's password")
	all := attacks(h)
	evil := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, all[r.URL.Query().Get("attack")]+`<iframe src="`+h.url+`/account"></iframe>`)
	})
	sameSite, elsewhere := httptest.NewTLSServer(evil), httptest.NewServer(evil)
	t.Cleanup(sameSite.Close)
	t.Cleanup(elsewhere.Close)
	before := b.cookie()
	for _, site := range []string{sameSite.URL, strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)} {
		for name := range all {
			b.do(chromedp.Navigate(site+"/?attack="+url.QueryEscape(name)), chromedp.WaitVisible(chromedp.CSS(`h1`)))
			if shown := b.text(`body`); !strings.Contains(shown, "another site") {
				t.Errorf("%s from %s: the browser shows %q", name, site, shown)
			}
			b.show("web-other-site")
			if status := b.open(h.url + "/account"); status != 200 || b.cookie() == nil || b.cookie().Value != before.Value {
				t.Errorf("after %s from %s: %d", name, site, status)
			}
		}
	}
	b.do(chromedp.Navigate(sameSite.URL)) // whose frames get the cookie
	if framed := b.framed(); len(framed) != 1 || strings.HasPrefix(framed[0], h.url) {
		t.Errorf("frames show %q", framed)
	}
}

// framed are the addresses of the pages that frames in the page show.
func (b *browser) framed() (shown []string) {
	b.Helper()
	tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		b.fail(err)
	}
	for _, f := range tree.FrameTree.ChildFrames {
		shown = append(shown, f.Frame.URL)
	}
	return shown
}
