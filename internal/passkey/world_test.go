package passkey_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// address is where people reach the company's Curfew.
const address = "https://curfew.acme.example"

// house is a company with passkeys.
type house struct {
	*enginetest.World
	*passkey.Keeper
	party virtualwebauthn.RelyingParty
}

// clock goes on with the machine's, and further when it is told to.
type clock struct{ ahead time.Duration }

func (c *clock) Now() time.Time { return time.Now().Add(c.ahead) }

// confirmedPolicy has engineers confirm what they read, and their agents' humans too.
func confirmedPolicy() policy.Policy {
	return policy.Policy{
		Name: "confirmed", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{enginetest.Read},
		MaxDuration: time.Hour, Require: policy.Requirements{Reason: true, MFA: true}, Auto: true,
	}
}

// reviewedPolicy has leads confirm what they let others write.
func reviewedPolicy(most time.Duration) policy.Policy {
	return policy.Policy{
		Name: "reviewed", Effect: policy.EffectAllow, Who: []string{"group:engineering"}, What: []string{enginetest.Write},
		MaxDuration: most, Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 1, Within: time.Hour, MFA: true}},
	}
}

// newHouse is a company with both policies.
func newHouse(t *testing.T, options ...enginetest.Option) *house {
	t.Helper()
	w := enginetest.New(t, append([]enginetest.Option{enginetest.WithPolicies(confirmedPolicy(), reviewedPolicy(time.Hour))}, options...)...)
	keeper, err := passkey.New(passkey.Config{
		URL: address, Engine: w.Engine, Store: w.Store, Directory: func() passkey.Directory { return w.Directory }, IDs: engine.UUIDs{},
		Tenant: access.DefaultTenant, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &house{World: w, Keeper: keeper, party: virtualwebauthn.RelyingParty{ID: "curfew.acme.example", Name: "Curfew", Origin: address}}
}

// device is an authenticator with one passkey.
type device struct {
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
}

// signedIn is somebody who has signed in just now.
func (h *house) signedIn(who string) access.Caller {
	h.Helper()
	now, err := h.Store.Now(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return access.Caller{Principal: h.Who(who), Session: access.Session{Kind: access.SessionSignIn, CreatedAt: now}}
}

// call sends to a ceremony's page what a browser would.
func (h *house) call(link, what, body string) (status int, answer struct {
	More  bool
	Codes []string
	Error string
}) {
	h.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, address+passkey.Path+link+"/"+what, strings.NewReader(body)))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		h.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, answer
}

// page is what somebody sees.
func (h *house) page(link string) (status int, text string) {
	h.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+passkey.Path+link, nil))
	return w.Code, w.Body.String()
}

var dataOptions = regexp.MustCompile(`data-options="([^"]*)"`)

// options are what the page of a ceremony has for the browser.
func (h *house) options(link string) string {
	h.Helper()
	status, text := h.page(link)
	found := dataOptions.FindStringSubmatch(text)
	if status != http.StatusOK || found == nil {
		h.Fatalf("%d: %s", status, text)
	}
	return strings.NewReplacer("&#34;", `"`, "&#43;", "+", "&amp;", "&").Replace(found[1])
}

// fullKey is the length of a COSE key on P-256, whose coordinates have 32 bytes each.
const fullKey = 77

// newKey is a key that virtualwebauthn writes as it should: it leaves zeros at the beginning of a coordinate out.
func newKey() virtualwebauthn.Credential {
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == fullKey {
			return c
		}
	}
}

// create has a new device answer the ceremony.
func (h *house) create(link string) (*device, int) {
	h.Helper()
	d := &device{Authenticator: virtualwebauthn.NewAuthenticator(), key: newKey()}
	d.key.Counter = 1
	options, err := virtualwebauthn.ParseAttestationOptions(h.options(link))
	if err != nil {
		h.Fatal(err)
	}
	d.Options.UserHandle = []byte(options.UserID)
	d.AddCredential(d.key)
	status, _ := h.call(link, "answer", virtualwebauthn.CreateAttestationResponse(h.party, d.Authenticator, d.key, *options))
	return d, status
}

// assertion is the device's answer to a ceremony, as it is or changed.
func (h *house) assertion(d *device, link string, change ...func(*virtualwebauthn.RelyingParty, *device, *virtualwebauthn.AssertionOptions)) string {
	h.Helper()
	options, err := virtualwebauthn.ParseAssertionOptions(h.options(link))
	if err != nil {
		h.Fatal(err)
	}
	d.key.Counter++
	party, with := h.party, *d
	for _, f := range change {
		f(&party, &with, options)
	}
	return virtualwebauthn.CreateAssertionResponse(party, with.Authenticator, with.key, *options)
}

// register gives somebody a first passkey.
func (h *house) register(who string) *device {
	h.Helper()
	_, link, err := h.Add(h.Context(), h.signedIn(who), "laptop", "")
	if err != nil {
		h.Fatal(err)
	}
	d, status := h.create(link)
	if status != http.StatusOK {
		h.Fatalf("registering is answered with %d", status)
	}
	return d
}

// ask has somebody ask for something that waits.
func (h *house) ask(who, entitlement string) access.Request {
	h.Helper()
	r, err := h.Engine.Submit(h.Context(), h.Who(who), engine.Submission{
		Entitlements: []access.Entitlement{enginetest.Entitlement(entitlement)}, Duration: 30 * time.Minute, Reason: "order 17",
	})
	if err != nil || r.State != access.RequestPending {
		h.Fatalf("the request is %s, %v", r.State, err)
	}
	return r
}

// confirm begins to have a request confirmed.
func (h *house) confirm(who string, id access.RequestID) (access.CeremonyID, string) {
	h.Helper()
	c, link, err := h.ConfirmRequest(h.Context(), h.Who(who), id)
	if err != nil {
		h.Fatal(err)
	}
	return c.ID, link
}

// state is where a request stands.
func (h *house) state(id access.RequestID) access.RequestState {
	h.Helper()
	v, err := h.Engine.Request(h.Context(), h.Who(enginetest.Carol), id)
	if err != nil {
		h.Fatal(err)
	}
	return v.Request.State
}

// entries counts the audit entries of a kind.
func (h *house) entries(kind access.EventKind) (n int) {
	h.Helper()
	if _, err := h.Engine.Sequence(h.Context(), "test"); err != nil {
		h.Fatal(err)
	}
	err := h.Store.View(h.Context(), func(tx store.Tx) error {
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, 0, 1000)
		for _, row := range rows {
			if row.Kind == kind {
				n++
			}
		}
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return n
}
