package canary

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/descope/virtualwebauthn"
)

// authenticator is somebody's, with one passkey.
type authenticator struct {
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
}

// fullKey is the length of a COSE key on P-256, whose coordinates have 32 bytes each.
const fullKey = 77

// newAuthenticator has a key that virtualwebauthn writes as it should: it leaves zeros at the beginning of a coordinate out.
func newAuthenticator() *authenticator {
	a := &authenticator{virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)}
	for len(a.key.Key.AttestationData()) != fullKey {
		a.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	a.AddCredential(a.key)
	return a
}

func (h *house) party() virtualwebauthn.RelyingParty {
	return virtualwebauthn.RelyingParty{ID: "localhost", Name: "Curfew", Origin: h.url()}
}

// passkeys has ann register one, confirm a request with it, get recovery codes, use one, and be invited by an administrator.
func (h *house) passkeys() {
	h.Helper()
	d, page := h.ceremony("passkeys", "add", "--label", "laptop")
	a := h.create(page)
	h.exits(d)
	d, page = h.ceremony("request", "db/orders:write", "--reason", "order 17", "--for", "5m")
	h.tell(page+"/answer", h.assertion(a, page))
	h.exits(d)
	d, page = h.ceremony("passkeys", "recovery-codes")
	codes := h.tell(page+"/answer", h.assertion(a, page)).Codes
	h.exits(d)
	if len(codes) == 0 {
		h.Fatal("there are no recovery codes")
	}
	d, page = h.ceremony("passkeys", "add", "--label", "phone")
	for _, code := range []string{h.choose(h, "what somebody took for a recovery code"), codes[0]} {
		body, err := json.Marshal(map[string]string{"code": code})
		if err != nil {
			h.Fatal(err)
		}
		h.tell(page+"/recover", string(body))
	}
	h.create(page)
	h.exits(d)
	h.secretly("carol", "passkeys", "invite", "bob")
	h.must(ann, "passkeys")
}

// ceremony has a command of ann's wait for her browser, and returns the page that it shows.
func (h *house) ceremony(args ...string) (d *daemon, page string) {
	h.Helper()
	d = h.work(ann, []string{confirmLink}, append(args, "--no-browser")...)
	return d, d.await(&d.stderr, 1, `(http://\S+/confirm/[A-Za-z0-9_-]+)`)
}

var dataOptions = regexp.MustCompile(`data-options="([^"]*)"`)

// options are what a page has for the browser.
func (h *house) options(page string) string {
	h.Helper()
	_, text := h.visit(h.browser(), "GET", page, nil)
	found := dataOptions.FindStringSubmatch(text)
	if found == nil {
		h.Fatalf("the page has nothing for a browser: %s", text)
	}
	return html.UnescapeString(found[1])
}

// create registers a new passkey.
func (h *house) create(page string) *authenticator {
	h.Helper()
	options, err := virtualwebauthn.ParseAttestationOptions(h.options(page))
	if err != nil {
		h.Fatal(err)
	}
	a := newAuthenticator()
	a.Options.UserHandle = []byte(options.UserID)
	h.tell(page+"/answer", virtualwebauthn.CreateAttestationResponse(h.party(), a.Authenticator, a.key, *options))
	return a
}

func (h *house) assertion(a *authenticator, page string) string {
	h.Helper()
	options, err := virtualwebauthn.ParseAssertionOptions(h.options(page))
	if err != nil {
		h.Fatal(err)
	}
	a.key.Counter++
	return virtualwebauthn.CreateAssertionResponse(h.party(), a.Authenticator, a.key, *options)
}

// tell sends what the script of a page sends, and returns the answer.
func (h *house) tell(at, body string) (said struct{ Codes []string }) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.ctx, http.MethodPost, at, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	if err := json.Unmarshal(text, &said); err != nil {
		h.Fatalf("%s: %v", text, err)
	}
	return said
}
