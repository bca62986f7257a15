package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity/oidc"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/oauth"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

const (
	verifier = "a-verifier-of-forty-three-characters-or-more"
	program  = "http://127.0.0.1:7777/"
	email    = "alice@acme.example"
	password = "a password"
)

// house is the endpoints over a company's books, with a real provider.
type house struct {
	testing.TB
	*enginetest.World
	dex *localpeer.Dex
	url string
	log syncbuf.Buffer
	// ahead is by how much the clock of the endpoints is ahead, in nanoseconds.
	ahead atomic.Int64
	off   atomic.Bool
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t, World: enginetest.New(t)}
	server := httptest.NewUnstartedServer(nil)
	h.url = "http://" + server.Listener.Addr().String()
	var err error
	h.dex, err = localpeer.StartDex(t.Context(), localpeer.DexOptions{
		Clients:  []localpeer.DexClient{{ID: "curfew", Secret: "client-secret", Redirects: []string{h.url + signin.CallbackPath}}},
		Users:    []localpeer.DexUser{{ID: "u1", Email: email, Name: "Alice <b>", Password: password, Groups: []string{"payments"}}},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.dex.Stop() })
	h.serve(server, h.dex.Issuer())
	return h
}

// serve has a server that listens already be the endpoints, over what a provider says.
func (h *house) serve(server *httptest.Server, issuer string) {
	h.Helper()
	provider := oidc.New(oidc.Config{
		Issuer: issuer, ClientID: "curfew", ClientSecret: "client-secret", Redirect: h.url + signin.CallbackPath, Scopes: []string{"groups"},
		Claims: oidc.Claims{Groups: "groups"}, HTTP: http.DefaultClient, Now: h.now,
	})
	desk := signin.New(signin.Config{
		URL: h.url, Sealer: h.Sealer(), Now: h.now,
		Provider: func() signin.Provider {
			if h.off.Load() {
				return signin.Provider{}
			}
			return signin.Provider{Source: "sso", Provider: provider}
		},
	})
	server.Config.Handler = oauth.New(oauth.Config{
		URL: h.url, Desk: desk, Sessions: h.Registrar, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Now: h.now,
	})
	server.Start()
	h.Cleanup(server.Close)
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// browser keeps cookies, and follows nothing by itself.
func (h *house) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what a call came to.
type answer struct {
	status int
	header http.Header
	body   string
}

func (h *house) do(c *http.Client, method, at string, form url.Values, headers ...string) answer {
	h.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(h.Context(), method, at, body)
	if err != nil {
		h.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := c.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(text)}
}

// order is what the command line asks for.
func order() url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"client_id": {"curfew-cli"}, "response_type": {"code"}, "redirect_uri": {program}, "state": {"the program's state"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "label": {"curfew on <vm>"},
	}
}

// toCallback goes with a browser from the program's order to where the provider sends it back.
func (h *house) toCallback(b *http.Client) string {
	h.Helper()
	a := h.do(b, "GET", h.url+oauth.AuthorizePath+"?"+order().Encode(), nil)
	if a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), h.dex.Issuer()) {
		h.Fatalf("%d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	back, err := h.dex.SignIn(h.Context(), a.header.Get("Location"), email, password)
	if err != nil {
		h.Fatal(err)
	}
	return back
}

// toConfirm goes on to the page that asks.
func (h *house) toConfirm(b *http.Client) answer {
	h.Helper()
	a := h.do(b, "GET", h.toCallback(b), nil)
	if a.status != 200 {
		h.Fatalf("%d: %s", a.status, a.body)
	}
	return a
}

func yes() url.Values { return url.Values{"state": {"the program's state"}, "answer": {"yes"}} }

// toProgram goes all the way, and returns what the program is told.
func (h *house) toProgram(b *http.Client) url.Values {
	h.Helper()
	h.toConfirm(b)
	return h.told(h.do(b, "POST", h.url+oauth.ConfirmPath, yes()))
}

func (h *house) told(a answer) url.Values {
	h.Helper()
	to, err := url.Parse(a.header.Get("Location"))
	if a.status != 303 || err != nil || !strings.HasPrefix(a.header.Get("Location"), program+"?") {
		h.Fatalf("%d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	return to.Query()
}

func (h *house) token(form url.Values) (int, map[string]any) {
	h.Helper()
	a := h.do(http.DefaultClient, "POST", h.url+oauth.TokenPath, form)
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.header.Get("Cache-Control") != "no-store" {
		h.Fatalf("%v: %d %q", err, a.status, a.body)
	}
	return a.status, v
}

func redeeming(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {"curfew-cli"}, "code": {code}, "code_verifier": {verifier}}
}

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := h.toConfirm(b)
	for _, want := range []string{"Alice &lt;b&gt;", "curfew on &lt;vm&gt;"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q:\n%s", want, page.body)
		}
	}
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "form-action 'self' http://127.0.0.1:7777;") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the policy is %s", policy)
	}
	told := h.told(h.do(b, "POST", h.url+oauth.ConfirmPath, yes()))
	if told.Get("state") != "the program's state" || told.Get("iss") != h.url || told.Get("error") != "" {
		t.Errorf("the program is told %v", told)
	}
	status, got := h.token(redeeming(told.Get("code")))
	token, _ := got["access_token"].(string)
	if status != 200 || got["token_type"] != "Bearer" || got["expires_in"].(float64) < 11*3600 {
		t.Errorf("%d %v", status, got)
	}
	c, err := h.Directory.Authenticate(t.Context(), token)
	if err != nil || c.Name != "Alice <b>" || !slices.Equal(c.Groups, []string{"sso/payments"}) || c.Session.Label != "curfew on <vm>" {
		t.Errorf("the token is %+v's, %v", c, err)
	}
	if status, got := h.token(redeeming(told.Get("code"))); status != 400 || got["error"] != "invalid_grant" {
		t.Errorf("once more: %d %v", status, got)
	}
	for _, secret := range []string{token, told.Get("code"), "client-secret", verifier} {
		if secret == "" || strings.Contains(h.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}

	// Who says no is not signed in.
	b = h.browser()
	h.toConfirm(b)
	told = h.told(h.do(b, "POST", h.url+oauth.ConfirmPath, url.Values{"state": {"the program's state"}, "answer": {"no"}}))
	if told.Get("error") != "access_denied" || told.Has("code") {
		t.Errorf("after a no the program is told %v", told)
	}
}

// What a program asks for wrongly is shown, and sends nobody anywhere.
func TestOrders(t *testing.T) {
	h := newHouse(t)
	for name, change := range map[string]func(url.Values){
		"no client":               func(o url.Values) { o.Del("client_id") },
		"another client":          func(o url.Values) { o.Set("client_id", "evil") },
		"a token at once":         func(o url.Values) { o.Set("response_type", "token") },
		"no redirect":             func(o url.Values) { o.Del("redirect_uri") },
		"another host":            func(o url.Values) { o.Set("redirect_uri", "http://evil.example:80/") },
		"a name":                  func(o url.Values) { o.Set("redirect_uri", "http://localhost:7777/") },
		"no port":                 func(o url.Values) { o.Set("redirect_uri", "http://127.0.0.1/") },
		"TLS":                     func(o url.Values) { o.Set("redirect_uri", "https://127.0.0.1:7777/") },
		"a user":                  func(o url.Values) { o.Set("redirect_uri", "http://127.0.0.1:7777@evil.example/") },
		"a query":                 func(o url.Values) { o.Set("redirect_uri", "http://127.0.0.1:7777/?x=1") },
		"a fragment":              func(o url.Values) { o.Set("redirect_uri", "http://127.0.0.1:7777/#x") },
		"a mapped address":        func(o url.Values) { o.Set("redirect_uri", "http://[::ffff:127.0.0.1]:7777/") },
		"another scheme":          func(o url.Values) { o.Set("redirect_uri", "javascript:alert(1)") },
		"no challenge":            func(o url.Values) { o.Del("code_challenge") },
		"a plain challenge":       func(o url.Values) { o.Set("code_challenge_method", "plain") },
		"a short challenge":       func(o url.Values) { o.Set("code_challenge", "abc") },
		"no state":                func(o url.Values) { o.Del("state") },
		"a parameter twice":       func(o url.Values) { o.Add("state", "another") },
		"a parameter without end": func(o url.Values) { o.Set("state", strings.Repeat("x", 513)) },
	} {
		o := maps.Clone(order())
		change(o)
		a := h.do(h.browser(), "GET", h.url+oauth.AuthorizePath+"?"+o.Encode(), nil)
		if a.status != 422 || a.header.Get("Location") != "" || !strings.Contains(a.body, "not signed in") || strings.Contains(a.body, "evil") {
			t.Errorf("%s: %d to %q\n%s", name, a.status, a.header.Get("Location"), a.body)
		}
	}
	h.off.Store(true)
	if a := h.do(h.browser(), "GET", h.url+oauth.AuthorizePath+"?"+order().Encode(), nil); a.status != 404 || !strings.Contains(a.body, "directory.oidc") {
		t.Errorf("without a provider: %d %s", a.status, a.body)
	}
}

// The answer of the provider is good in the browser that began, once, and not for ever.
func TestAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	refused := func(what string, a answer) {
		t.Helper()
		if a.status != 401 && a.status != 403 || strings.Contains(a.header.Get("Location"), "code=") {
			t.Errorf("%s: %d to %q\n%s", what, a.status, a.header.Get("Location"), a.body)
		}
	}
	refused("a browser that did not begin", h.do(h.browser(), "GET", h.toCallback(h.browser()), nil))

	first, second := h.browser(), h.browser()
	back := h.toCallback(first)
	h.toCallback(second)
	refused("a browser that began something else", h.do(second, "GET", back, nil))

	if a := h.do(first, "GET", back, nil); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	refused("the same answer twice", h.do(first, "GET", back, nil))

	b := h.browser()
	h.toConfirm(b)
	refused("another program's state", h.do(b, "POST", h.url+oauth.ConfirmPath, url.Values{"state": {"guessed"}, "answer": {"yes"}}))
	b = h.browser()
	h.toConfirm(b)
	refused("another site's page", h.do(b, "POST", h.url+oauth.ConfirmPath, yes(), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"))
	h.told(h.do(b, "POST", h.url+oauth.ConfirmPath, yes()))
	refused("a yes twice", h.do(b, "POST", h.url+oauth.ConfirmPath, yes()))

	b = h.browser()
	h.toCallback(b)
	refused("a yes before signing in", h.do(b, "POST", h.url+oauth.ConfirmPath, yes()))

	b = h.browser()
	back = h.toCallback(b)
	h.ahead.Store(int64(11 * time.Minute))
	refused("too late", h.do(b, "GET", back, nil))
	h.ahead.Store(0)

	// What the browser keeps is sealed.
	b = h.browser()
	back = h.toCallback(b)
	at, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.Jar.Cookies(at)
	if len(cookies) != 1 {
		t.Fatalf("the browser keeps %v", cookies)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookies[0].Value)
	if err != nil || strings.Contains(string(sealed), "state") {
		t.Errorf("%v: the browser keeps %q", err, sealed)
	}
	sealed[len(sealed)/2] ^= 1
	for name, value := range map[string]string{"changed": base64.RawURLEncoding.EncodeToString(sealed), "nonsense": "###", "empty": ""} {
		refused("a cookie that is "+name, h.do(h.browser(), "GET", back, nil, "Cookie", cookies[0].Name+"="+value))
	}
}

// A token is given for a code of a program of ours, with its verifier, and for nothing else.
func TestTokenRefused(t *testing.T) {
	h := newHouse(t)
	code := func() string { return h.toProgram(h.browser()).Get("code") }
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"no grant type":    {url.Values{"client_id": {"curfew-cli"}}, "unsupported_grant_type"},
		"a password":       {url.Values{"grant_type": {"password"}, "client_id": {"curfew-cli"}}, "unsupported_grant_type"},
		"no client":        {url.Values{"grant_type": {"authorization_code"}, "code": {code()}, "code_verifier": {verifier}}, "invalid_client"},
		"no code":          {redeeming(""), "invalid_grant"},
		"another verifier": {url.Values{"grant_type": {"authorization_code"}, "client_id": {"curfew-cli"}, "code": {code()}, "code_verifier": {"another"}}, "invalid_grant"},
		"no verifier":      {url.Values{"grant_type": {"authorization_code"}, "client_id": {"curfew-cli"}, "code": {code()}}, "invalid_grant"},
		"two codes":        {url.Values{"grant_type": {"authorization_code"}, "client_id": {"curfew-cli"}, "code": {code(), code()}, "code_verifier": {verifier}}, "invalid_request"},
		"no device":        {url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"curfew-cli"}, "device_code": {"none"}}, "expired_token"},
	} {
		if status, got := h.token(c.form); status != 400 || got["error"] != c.want || got["access_token"] != nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if a := h.do(http.DefaultClient, "POST", h.url+oauth.TokenPath+"?"+redeeming(code()).Encode(), nil); a.status != 400 || !strings.Contains(a.body, "invalid_request") {
		t.Errorf("in the address: %d %s", a.status, a.body)
	}
	if a := h.do(http.DefaultClient, "GET", h.url+oauth.TokenPath, nil); a.status != 405 {
		t.Errorf("with GET: %d", a.status)
	}
	if a := h.do(http.DefaultClient, "POST", h.url+oauth.TokenPath, url.Values{"x": {strings.Repeat("x", 1<<20)}}); a.status != 400 {
		t.Errorf("without end: %d", a.status)
	}
}

// Whoever comes too often is told to come later, in the form of the protocol.
func TestLimited(t *testing.T) {
	h := newHouse(t)
	limited := func(what string, atOnce int, call func() answer) {
		t.Helper()
		for i := range 10 * atOnce { // on a slow machine some come back meanwhile
			a := call()
			switch {
			case a.status == 429 && i >= atOnce && a.header.Get("Retry-After") != "":
				return
			case a.status != 200:
				t.Fatalf("%s %d: %d %s", what, i, a.status, a.body)
			}
		}
		t.Errorf("%s: nothing is limited", what)
	}
	limited("page", 60, func() answer { return h.do(http.DefaultClient, "GET", h.url+oauth.DevicePath, nil) })
	if status, got := h.token(redeeming("")); status != 400 {
		t.Errorf("programs are limited with pages: %d %v", status, got)
	}
	limited("device", 20, func() answer {
		return h.do(http.DefaultClient, "POST", h.url+oauth.BeginDevicePath, url.Values{"client_id": {oauth.ClientID}})
	})
}

func TestMetadata(t *testing.T) {
	h := newHouse(t)
	a := h.do(http.DefaultClient, "GET", h.url+"/.well-known/oauth-authorization-server", nil)
	var v struct {
		Issuer string `json:"issuer"`
		Token  string `json:"token_endpoint"`
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Issuer != h.url || v.Token != h.url+oauth.TokenPath {
		t.Errorf("%v: %s", err, a.body)
	}
}

// A provider that does not answer is said, and is no reason to stop.
func TestProviderAway(t *testing.T) {
	h := newHouse(t)
	if err := h.dex.Stop(); err != nil {
		t.Fatal(err)
	}
	a := h.do(h.browser(), "GET", h.url+oauth.AuthorizePath+"?"+order().Encode(), nil)
	if a.status != access.KindUnavailable.HTTPStatus() || !strings.Contains(a.body, "does not answer") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
