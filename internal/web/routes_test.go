package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// someone is who calls a route.
type someone struct {
	name string
	// groups are theirs; nobody has none.
	groups []string
	nobody bool
}

// routes lists every route, with what it answers to who is signed in and to who is not.
var routes = []struct {
	method, path     string
	signedIn, nobody int
	says             string
}{
	{"GET", "/", 303, 303, "/account"},
	{"GET", "/sign-in", 200, 200, "Sign in"},
	{"POST", "/sign-in", 303, 303, ""},
	{"GET", "/signed-out", 200, 200, "signed out"},
	{"GET", "/oauth/callback", 401, 401, "no sign-in under way"},
	{"GET", "/account", 200, 401, "Who you are here"},
	{"GET", "/account/sessions", 200, 401, "this browser"},
	{"POST", "/account/sessions/se_of_nobody/end", 404, 401, "You have no session"},
	{"GET", "/account/passkeys", 200, 401, "You have none yet"},
	{"POST", "/account/passkeys", 422, 401, "The name of a passkey"},
	{"POST", "/account/passkeys/pk_of_nobody/remove", 404, 401, "You have no passkey"},
	{"POST", "/account/passkeys/recovery-codes", 403, 401, "You have no passkey yet"},
	{"POST", "/sign-out/everywhere", 303, 401, "/signed-out"},
	{"POST", "/sign-out", 303, 401, "/signed-out"},
}

// The table above has every route.
func TestEveryRoute(t *testing.T) {
	h, tested := newHouse(t), map[string]bool{}
	served := http.NewServeMux()
	for _, pattern := range h.Routes() {
		served.Handle(pattern, http.NotFoundHandler())
	}
	for _, r := range routes {
		_, pattern := served.Handler(httptest.NewRequest(r.method, r.path, nil))
		tested[pattern] = true
	}
	for _, pattern := range h.Routes() {
		if !tested[pattern] {
			t.Errorf("no test calls %s", pattern)
		}
	}
}

// Every route × who calls it × from where. A route that changes something takes no POST of another site, and no GET.
func TestRoutes(t *testing.T) {
	h, calls := newHouseWithDex(t), 0
	for _, who := range []someone{
		{name: "nobody", nobody: true}, {name: "user"}, {name: "auditor", groups: []string{"audit"}}, {name: "administrator", groups: []string{"platform"}},
	} {
		for _, r := range routes {
			call := func(headers ...string) (*browser, *httptest.ResponseRecorder) {
				b := h.browser()
				if !who.nobody {
					b = h.signedIn(who.name, who.groups...)
				}
				calls++
				b.at = fmt.Sprintf("[2001:db8:%x::1]:1", calls) // so that nobody comes too often
				return b, b.send(r.method, r.path, url.Values{}, headers...)
			}
			what := who.name + ": " + r.method + " " + r.path
			b, w := call()
			status := r.signedIn
			if who.nobody {
				status = r.nobody
			}
			if want(t, what, w, status); status == r.signedIn && r.says != "" {
				want(t, what, w, status, r.says)
			}
			hardened(t, what, w)
			if who.nobody && w.Code == http.StatusUnauthorized && !strings.Contains(w.Body.String(), `action="/sign-in"`) {
				t.Errorf("%s leads nowhere: %s", what, w.Body)
			}
			if r.method != http.MethodPost {
				continue
			}
			if !readable(r.path) {
				want(t, what+" with GET", b.get(r.path), http.StatusMethodNotAllowed)
			}
			for _, site := range [][]string{
				{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
				{"Sec-Fetch-Site", "", "Origin", "null"},
			} {
				b, w := call(site...)
				want(t, what+" of another site", w, http.StatusForbidden, "another site")
				if !who.nobody {
					want(t, what+" of another site, afterwards", b.get("/account"), http.StatusOK)
				}
			}
			_, w = call("Sec-Fetch-Site", "", "Origin", address) // an older browser's
			want(t, what+" of an older browser", w, status)
		}
	}
}

// readable reports whether the path is that of a page too.
func readable(path string) bool {
	for _, r := range routes {
		if r.path == path && r.method == http.MethodGet {
			return true
		}
	}
	return false
}

// hardened holds an answer to the headers that each must have.
func hardened(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Header().Get("Referrer-Policy") != "same-origin" || w.Header().Get("Cross-Origin-Opener-Policy") != "same-origin" {
		t.Errorf("%s: %v", what, w.Header())
	}
	if w.Code == http.StatusSeeOther {
		return // without a page
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: the policy is %s", what, policy)
		}
	}
	if w.Header().Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("%s: %v %s", what, w.Header(), w.Body)
	}
}

// Roles show on the account.
func TestRoles(t *testing.T) {
	h := newHouse(t)
	for group, role := range map[string]string{"platform": "<li>admin</li>", "audit": "<li>auditor</li>", "payments": "none besides"} {
		want(t, group, h.signedIn("who is in "+group, group).get("/account"), http.StatusOK, role)
	}
}
