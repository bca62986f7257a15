package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/identity/oidc"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/syncbuf"
	"github.com/curfewhq/curfew/internal/web"
)

const (
	// address is where people reach the company's Curfew.
	address = "https://curfew.acme.example"
	// cookie is what browsers have there.
	cookie   = "__Host-curfew-session"
	email    = "alice@acme.example"
	password = "a password"
)

// house is a company with pages.
type house struct {
	*enginetest.World
	*web.Handler
	desk *signin.Desk
	dex  *localpeer.Dex
	log  syncbuf.Buffer
}

// newHouse is a company where nobody can sign in, but signedIn.
func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseWith(t, signin.Provider{})
}

func newHouseWith(t *testing.T, provider signin.Provider) *house {
	t.Helper()
	h := &house{World: enginetest.New(t, enginetest.WithEventsNumbered())}
	h.desk = signin.New(signin.Config{URL: address, Provider: func() signin.Provider { return provider }, Sealer: h.Sealer(), Now: time.Now})
	roles, err := directory.New(directory.Config{
		Roles:  map[access.Role][]policy.Selector{access.RoleAdmin: {"group:sso/platform"}, access.RoleAuditor: {"group:sso/audit"}},
		Limits: h.Directory.Limits(),
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	keeper, err := passkey.New(passkey.Config{
		URL: address, Engine: h.Engine, Store: h.Store, Directory: func() passkey.Directory { return h.Directory }, IDs: engine.UUIDs{},
		Tenant: access.DefaultTenant, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Handler = web.New(web.Config{
		Desk: h.desk, Sessions: h.Registrar, Directory: func() web.Directory { return roles }, Passkeys: keeper, CeremonyPath: passkey.Path,
		Now: time.Now, Log: log,
	})
	return h
}

// newHouseWithDex is a company with a real identity provider.
func newHouseWithDex(t *testing.T) *house {
	t.Helper()
	dex, err := localpeer.StartDex(t.Context(), localpeer.DexOptions{
		Clients: []localpeer.DexClient{{ID: "curfew", Secret: "client-secret", Redirects: []string{address + signin.CallbackPath}}},
		Users: []localpeer.DexUser{
			{ID: "u1", Email: email, Name: "Alice <b>", Password: password, Groups: []string{"payments"}},
			{ID: "u2", Email: "eve@acme.example", Name: "Eve", Password: password, Groups: []string{"payments"}},
		},
		Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dex.Stop() })
	h := newHouseWith(t, signin.Provider{Source: "sso", Provider: oidc.New(oidc.Config{
		Issuer: dex.Issuer(), ClientID: "curfew", ClientSecret: "client-secret", Redirect: address + signin.CallbackPath, Scopes: []string{"groups"},
		Claims: oidc.Claims{Groups: "groups"}, HTTP: http.DefaultClient, Now: time.Now,
	})})
	h.dex = dex
	return h
}

// browser keeps cookies as browsers do, and follows nothing by itself.
type browser struct {
	*house
	cookies map[string]string
	// at is its address.
	at string
}

func (h *house) browser() *browser {
	return &browser{house: h, cookies: map[string]string{}, at: "192.0.2.1:1234"}
}

// signedIn is a browser of somebody in these groups.
func (h *house) signedIn(subject string, groups ...string) *browser {
	h.Helper()
	secret, _, err := h.Registrar.BeginBrowser(h.Context(), directory.SignIn{
		Source: "sso", Account: identity.Account{Subject: subject, Name: "Name of " + subject, Groups: groups, Session: "at the provider"}, Label: "Firefox on Linux",
	}, "")
	if err != nil {
		h.Fatal(err)
	}
	b := h.browser()
	b.cookies[cookie] = secret
	return b
}

// send calls a page as a page of ours does, or with headers of another's.
func (b *browser) send(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequestWithContext(context.Background(), method, address+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = b.at
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.Helper()
	return b.send(http.MethodGet, path, nil)
}

func (b *browser) post(path string) *httptest.ResponseRecorder {
	b.Helper()
	return b.send(http.MethodPost, path, url.Values{})
}

// toCallback begins to sign in, and returns the path to which the provider sends somebody back.
func (b *browser) toCallback(to, who string) string {
	b.Helper()
	w := b.send(http.MethodPost, "/sign-in", url.Values{"to": {to}})
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), b.dex.Issuer()) {
		b.Fatalf("%d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	back, err := b.dex.SignIn(b.Context(), w.Header().Get("Location"), who, password)
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimPrefix(back, address)
}

// want holds an answer to a status and to what its page says.
func want(t testing.TB, what string, w *httptest.ResponseRecorder, status int, says ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("%s: %d, want %d: %s", what, w.Code, status, w.Body)
	}
	for _, text := range says {
		if !strings.Contains(w.Body.String(), text) && !strings.Contains(w.Header().Get("Location"), text) {
			t.Errorf("%s lacks %q: to %q, %s", what, text, w.Header().Get("Location"), w.Body)
		}
	}
}
