package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/oauth"
	"github.com/curfewhq/curfew/internal/signin"
)

// exit is the endpoints with a real provider that ends sessions.
type exit struct {
	*house
	peer *localpeer.OIDCProvider
	// tokens are the logout tokens that the provider has sent to elsewhere.
	tokens chan string
}

// newExit has the provider tell Curfew of what ends, or with elsewhere nobody but the test.
func newExit(t testing.TB, elsewhere bool, change func(*localpeer.OIDCProviderOptions)) *exit {
	t.Helper()
	x := &exit{house: &house{TB: t, World: enginetest.New(t)}, tokens: make(chan string, 10)}
	server := httptest.NewUnstartedServer(nil)
	x.url = "http://" + server.Listener.Addr().String()
	listens := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { x.tokens <- r.FormValue("logout_token") }))
	t.Cleanup(listens.Close)
	client := localpeer.OIDCClient{
		ID: "curfew", Secret: "client-secret", Redirects: []string{x.url + signin.CallbackPath}, AfterLogout: []string{x.url + signin.SignedOutPath},
		BackChannel: x.url + oauth.BackChannelPath, WithSession: true,
	}
	if elsewhere {
		client.BackChannel = listens.URL
	}
	options := localpeer.OIDCProviderOptions{
		Clients:  []localpeer.OIDCClient{client},
		Users:    []localpeer.DexUser{{ID: "u1", Email: email, Name: "Alice", Password: password, Groups: []string{"payments"}}},
		Progress: t.Output(),
	}
	if change != nil {
		change(&options)
	}
	var err error
	if x.peer, err = localpeer.StartOIDCProvider(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.peer.Stop() })
	x.serve(server, x.peer.Issuer())
	return x
}

func (x *exit) visitor() *localpeer.Visitor {
	x.Helper()
	v, err := x.peer.NewVisitor()
	if err != nil {
		x.Fatal(err)
	}
	return v
}

// signIn signs Alice in with a browser, and returns the token of her program.
func (x *exit) signIn(v *localpeer.Visitor) (token string) {
	x.Helper()
	b := x.browser()
	a := x.do(b, "GET", x.url+oauth.AuthorizePath+"?"+order().Encode(), nil)
	back, err := v.SignIn(x.Context(), a.header.Get("Location"), email, password)
	if err != nil {
		x.Fatal(err)
	}
	if a := x.do(b, "GET", back, nil); a.status != 200 {
		x.Fatalf("%d: %s", a.status, a.body)
	}
	told := x.told(x.do(b, "POST", x.url+oauth.ConfirmPath, yes()))
	status, got := x.token(redeeming(told.Get("code")))
	token, _ = got["access_token"].(string)
	if status != 200 {
		x.Fatalf("%d %v", status, got)
	}
	x.wantGood(token, true)
	return token
}

func (x *exit) wantGood(token string, want bool) {
	x.Helper()
	if _, err := x.Directory.Authenticate(x.Context(), token); (err == nil) != want || err != nil && access.KindOf(err) != access.KindUnauthenticated {
		x.Errorf("the session is good: %t, %v, want %t", err == nil, err, want)
	}
}

// signOut goes to the provider's page by way of Curfew's, and back.
func (x *exit) signOut(v *localpeer.Visitor) answer {
	x.Helper()
	b := x.browser()
	a := x.do(b, "GET", x.url+signin.LogoutPath, nil)
	if a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), x.peer.Issuer()+"/") {
		x.Fatalf("%d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	back, err := v.SignOut(x.Context(), a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(back, x.url+signin.SignedOutPath+"?") {
		x.Fatalf("sent to %q, %v", back, err)
	}
	return x.do(b, "GET", back, nil)
}

// say is the provider's call.
func (x *exit) say(form url.Values, headers ...string) (status int, code string) {
	x.Helper()
	a := x.do(http.DefaultClient, "POST", x.url+oauth.BackChannelPath, form, headers...)
	if a.header.Get("Cache-Control") != "no-store" {
		x.Errorf("the answer may be kept: %v", a.header)
	}
	var said struct{ Error string }
	if a.status != 200 {
		if err := json.Unmarshal([]byte(a.body), &said); err != nil || said.Error == "" {
			x.Errorf("%v: %d %q", err, a.status, a.body)
		}
	}
	return a.status, said.Error
}

// Whoever signs out at the provider is signed out here: there where they did, and nowhere else.
func TestSignOutAtProvider(t *testing.T) {
	x := newExit(t, false, nil)
	one, another := x.visitor(), x.visitor()
	here, there := x.signIn(one), x.signIn(another)
	a := x.signOut(one)
	if a.status != 200 || !strings.Contains(a.body, "signed out at your identity provider") {
		t.Errorf("%d: %s", a.status, a.body)
	}
	x.wantGood(here, false)
	x.wantGood(there, true)
	again := x.signIn(one)
	x.signOut(another)
	x.wantGood(there, false)
	x.wantGood(again, true)
	x.signOut(one)
	x.wantGood(again, false)
	if strings.Contains(x.log.String(), "logout_token") || strings.Contains(x.log.String(), "eyJ") {
		t.Errorf("the log has a token:\n%s", x.log.String())
	}
}

// A provider that names no session ends all that somebody has begun there.
func TestSignOutEverywhereAtProvider(t *testing.T) {
	x := newExit(t, false, func(o *localpeer.OIDCProviderOptions) { o.Clients[0].WithSession = false })
	one, another := x.visitor(), x.visitor()
	here, there := x.signIn(one), x.signIn(another)
	x.signOut(one)
	x.wantGood(here, false)
	x.wantGood(there, false)
}

// A logout token is good once, and as long as the provider has the key that signed it.
func TestLogoutTokens(t *testing.T) {
	x := newExit(t, true, nil)
	alice := x.visitor()
	session := x.signIn(alice)
	x.signOut(alice)
	good := <-x.tokens
	x.wantGood(session, true) // nobody has told Curfew yet
	for name, form := range map[string]url.Values{
		"nothing": {}, "no token": {"logout_token": {""}}, "nonsense": {"logout_token": {"###"}}, "two tokens": {"logout_token": {good, good}},
		"changed": {"logout_token": {good[:len(good)-6] + "AAAAAA"}}, "without end": {"logout_token": {strings.Repeat("x", 1<<20)}},
	} {
		if status, code := x.say(form); status != 400 || code != "invalid_request" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	if a := x.do(http.DefaultClient, "POST", x.url+oauth.BackChannelPath, url.Values{"logout_token": {good}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); a.status != 403 {
		t.Errorf("another site's page: %d", a.status)
	}
	x.off.Store(true)
	if status, code := x.say(url.Values{"logout_token": {good}}); status != 400 || code != "invalid_request" {
		t.Errorf("without a provider: %d %s", status, code)
	}
	x.off.Store(false)
	x.wantGood(session, true)
	if status, code := x.say(url.Values{"logout_token": {good}}); status != 200 {
		t.Errorf("a good one: %d %s", status, code)
	}
	x.wantGood(session, false)
	if status, code := x.say(url.Values{"logout_token": {good}}); status != 400 || code != "invalid_request" {
		t.Errorf("once more: %d %s", status, code)
	}
	if strings.Contains(x.log.String(), good) || strings.Contains(x.log.String(), "eyJ") {
		t.Errorf("the log has a token:\n%s", x.log.String())
	}
}

// The provider changes its keys: who signs in after is believed, and what the old key has signed is not.
func TestKeysAreWithdrawn(t *testing.T) {
	x := newExit(t, true, nil)
	first := x.visitor()
	x.signIn(first)
	x.signOut(first)
	withdrawn := <-x.tokens
	if err := x.peer.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := x.visitor()
	session := x.signIn(second)
	if status, code := x.say(url.Values{"logout_token": {withdrawn}}); status != 400 || code != "invalid_request" || !strings.Contains(x.log.String(), "does not verify") {
		t.Errorf("under a key that was withdrawn: %d %s\n%s", status, code, x.log.String())
	}
	x.signOut(second)
	if status, _ := x.say(url.Values{"logout_token": {<-x.tokens}}); status != 200 {
		t.Errorf("under the new key: %d", status)
	}
	x.wantGood(session, false)
}

// The way back is for the browser that went, once.
func TestSignedOutPage(t *testing.T) {
	x := newExit(t, false, nil)
	refused := func(what string, a answer) {
		t.Helper()
		if a.status != 401 || !strings.Contains(a.body, "not signed out") {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	at := x.url + signin.SignedOutPath
	refused("a browser that did not go", x.do(x.browser(), "GET", at+"?state=x", nil))
	b := x.browser()
	a := x.do(b, "GET", x.url+signin.LogoutPath, nil)
	page, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	query := page.Query()
	if query.Get("client_id") != "curfew" || query.Get("post_logout_redirect_uri") != at || query.Has("id_token_hint") {
		t.Errorf("the provider is told %v", query)
	}
	refused("another's state", x.do(b, "GET", at+"?state=x", nil))
	refused("its own state after that", x.do(b, "GET", at+"?"+url.Values{"state": {query.Get("state")}}.Encode(), nil))

	b = x.browser()
	a = x.do(b, "GET", x.url+signin.LogoutPath, nil)
	page, err = url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	x.ahead.Store(int64(11 * time.Minute))
	refused("too late", x.do(b, "GET", at+"?"+url.Values{"state": {page.Query().Get("state")}}.Encode(), nil))
}

// A provider without a page to sign out at is said to have none.
func TestNoSignOutAtProvider(t *testing.T) {
	x := newExit(t, false, func(o *localpeer.OIDCProviderOptions) { o.NoEndSession = true })
	if a := x.do(x.browser(), "GET", x.url+signin.LogoutPath, nil); a.status != 404 || !strings.Contains(a.body, "end_session_endpoint") {
		t.Errorf("%d: %s", a.status, a.body)
	}
}
