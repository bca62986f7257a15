package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/signin"
)

func TestSignIn(t *testing.T) {
	h := newHouseWithDex(t)
	b := h.browser()
	want(t, "the way in", b.get("/"), http.StatusSeeOther, "/account")
	want(t, "the account of nobody", b.get("/account"), http.StatusUnauthorized, "You are not signed in", `action="/sign-in"`)
	w := b.get(b.toCallback("/account/sessions", email))
	want(t, "back from the provider", w, http.StatusSeeOther, "/account/sessions")
	var set *http.Cookie
	for _, c := range w.Result().Cookies() {
		if c.Name == cookie {
			set = c
		}
	}
	if set == nil || !set.Secure || !set.HttpOnly || set.Path != "/" || set.Domain != "" || set.SameSite != http.SameSiteLaxMode || set.MaxAge != 0 || !set.Expires.IsZero() {
		t.Errorf("the cookie is %+v", set)
	}
	if len(b.cookies) != 1 {
		t.Errorf("the browser keeps %v", b.cookies)
	}
	want(t, "the account", b.get("/account"), http.StatusOK, "Alice &lt;b&gt;", "sso/payments", "Firefox on Linux")
	if secret := b.cookies[cookie]; secret == "" || strings.Contains(h.log.String(), secret) {
		t.Errorf("the log has %q", secret)
	}
	// What leads elsewhere leads home.
	for _, to := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/account/../sign-out", ""} {
		b := h.browser()
		if w := b.get(b.toCallback(to, email)); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/account" {
			t.Errorf("to %q: %d to %q", to, w.Code, w.Header().Get("Location"))
		}
	}
}

// Where nobody can sign in, the page says so, and offers nothing.
func TestNoProvider(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	if w := b.get("/sign-in"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "directory.oidc") || strings.Contains(w.Body.String(), "<form") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	want(t, "to begin", b.post("/sign-in"), http.StatusNotFound, "directory.oidc")
	want(t, "to come back", b.get(signin.CallbackPath+"?code=x&state=y"), http.StatusUnauthorized, "no sign-in under way")
}

// Nobody is signed in by a link, or as somebody else: a sign-in begins with a POST of a page of ours, and ends in the browser that
// began it.
func TestSignInIsOfTheBrowser(t *testing.T) {
	h := newHouseWithDex(t)
	refused := func(what string, b *browser, path string) {
		t.Helper()
		had := b.cookies[cookie]
		w := b.get(path)
		if w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
			t.Errorf("%s: %d to %q", what, w.Code, w.Header().Get("Location"))
		}
		if b.cookies[cookie] != had {
			t.Errorf("%s: the browser has another session", what)
		}
	}
	b := h.browser()
	if w := b.send(http.MethodGet, "/sign-in?to=/account", nil, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusOK || len(b.cookies) > 0 {
		t.Errorf("a link to the sign-in leads on: %d %v", w.Code, b.cookies)
	}
	for _, site := range []string{"cross-site", "same-site"} {
		w := b.send(http.MethodPost, "/sign-in", url.Values{}, "Sec-Fetch-Site", site, "Origin", "https://evil.example")
		if want(t, site, w, http.StatusForbidden, "another site"); len(b.cookies) > 0 {
			t.Errorf("a POST of another site begins a sign-in: %v", b.cookies)
		}
	}

	// Eve's answer in Alice's browser, which has begun nothing, has begun something, and is signed in.
	eves := h.browser()
	answer := eves.toCallback("", "eve@acme.example")
	refused("another's answer", h.browser(), answer)
	alices := h.browser()
	alices.toCallback("", email)
	refused("another's answer, while signing in", alices, answer)
	alices = h.browser()
	alices.get(alices.toCallback("", email))
	refused("another's answer, when signed in", alices, answer)
	want(t, "who Alice is", alices.get("/account"), http.StatusOK, "Alice")

	want(t, "Eve herself", eves.get(answer), http.StatusSeeOther)
	refused("the same answer twice", eves, answer)
	want(t, "who Eve is", eves.get("/account"), http.StatusOK, "Eve")

	// What a program's sign-in has the browser keep signs the browser in to nothing.
	w := httptest.NewRecorder()
	if err := h.desk.Send(w, httptest.NewRequest(http.MethodGet, address, nil), signin.ForProgram, struct{}{}); err != nil {
		t.Fatal(err)
	}
	back, err := h.dex.SignIn(t.Context(), w.Header().Get("Location"), email, password)
	if err != nil {
		t.Fatal(err)
	}
	visit := w.Result().Cookies()[0]
	for _, name := range []string{visit.Name, h.desk.Name(signin.ForBrowser)} {
		b = h.browser()
		b.cookies[name] = visit.Value
		refused("a program's visit as "+name, b, strings.TrimPrefix(back, address))
	}
}

// A browser may sign a program in and itself at once: each answer leads to what it is for.
func TestTwoVisitsAtOnce(t *testing.T) {
	h := newHouseWithDex(t)
	b := h.browser()
	own := b.toCallback("", email)
	w := httptest.NewRecorder()
	if err := h.desk.Send(w, httptest.NewRequest(http.MethodGet, address, nil), signin.ForProgram, struct{}{}); err != nil {
		t.Fatal(err)
	}
	programs, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	awaits := func(path string) bool {
		r := httptest.NewRequest(http.MethodGet, address+path, nil)
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		return h.Awaits(r)
	}
	if !awaits(own) || awaits(signin.CallbackPath+"?state="+programs.Query().Get("state")) || awaits(signin.CallbackPath) {
		t.Error("an answer is led to where it does not belong")
	}
	want(t, "its own", b.get(own), http.StatusSeeOther)
	if awaits(own) {
		t.Error("a visit that is over is awaited")
	}

	// Whom the provider does not sign in begins anew.
	own = b.toCallback("", email)
	want(t, "a no", b.get(signin.CallbackPath+"?error=access_denied"), http.StatusUnauthorized, `action="/sign-in"`)
	if awaits(own) {
		t.Error("after a no the visit goes on")
	}
}

// What a browser had before somebody signs in is not what it has then, whoever has put it there.
func TestSessionFixation(t *testing.T) {
	h := newHouseWithDex(t)
	eves := h.signedIn("eve")
	planted := eves.cookies[cookie]
	b := h.browser()
	b.cookies[cookie] = planted
	b.get(b.toCallback("", email))
	if b.cookies[cookie] == planted {
		t.Fatal("the browser keeps what was planted")
	}
	want(t, "who has signed in", b.get("/account"), http.StatusOK, "Alice")
	want(t, "what was planted", eves.get("/account"), http.StatusUnauthorized, "Your session has ended")

	b = h.browser()
	b.cookies[cookie] = "cfb_planted.planted"
	b.get(b.toCallback("", email))
	want(t, "who has signed in", b.get("/account"), http.StatusOK, "Alice")
	b.cookies[cookie] = "cfb_planted.planted"
	want(t, "what was planted", b.get("/account"), http.StatusUnauthorized)
}

// Two cookies of the name are none: nobody knows which of them Curfew has set.
func TestTwoCookies(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn("alice")
	own := b.cookies[cookie]
	for _, two := range [][2]string{{own, "planted"}, {"planted", own}} {
		b.cookies[cookie] = two[1]
		want(t, "two cookies", b.send(http.MethodGet, "/account", nil, "Cookie", cookie+"="+two[0]), http.StatusUnauthorized)
	}
}

// Whoever comes too often is told to come later; who is signed in still reads.
func TestLimited(t *testing.T) {
	for what, try := range map[string]func(*browser) int{
		"to sign in":          func(b *browser) int { return b.post("/sign-in").Code },
		"answers of nobody":   func(b *browser) int { return b.get(signin.CallbackPath + "?state=x").Code },
		"acts":                func(b *browser) int { return b.post("/account/sessions/se_none/end").Code },
		"cookies nobody has":  func(b *browser) int { b.cookies[cookie] = "cfb_x.y"; return b.get("/account").Code },
		"acts of who is none": func(b *browser) int { b.cookies = map[string]string{}; return b.post("/sign-out").Code },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where no time passes
				h := newHouse(t)
				b := h.signedIn("alice")
				for i := range 61 {
					if got := try(b); (got == http.StatusTooManyRequests) != (i == 60) {
						t.Errorf("call %d: %d", i, got)
					}
				}
				other := h.signedIn("bob")
				other.at = "192.0.2.2:1234"
				if got := try(other); got == http.StatusTooManyRequests {
					t.Error("somebody else is told so too")
				}
			})
		})
	}
}

// Access that is frozen leaves people signed in, as it does in their programs: they see why nothing is given.
func TestFrozen(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn("alice")
	caller, _, err := h.Registrar.Browse(t.Context(), b.cookies[cookie])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Engine.Freeze(t.Context(), h.Who(enginetest.Carol), engine.FreezeOrder{Principal: caller.ID}, "looks odd"); err != nil {
		t.Fatal(err)
	}
	want(t, "who is frozen", b.get("/account"), http.StatusOK, "Name of alice")
}
