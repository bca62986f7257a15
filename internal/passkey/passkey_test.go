package passkey_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/store"
)

// wantKind fails the test unless the error is of the kind.
func wantKind(t *testing.T, what string, err error, want access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != want {
		t.Errorf("%s: %v, want it to be %s", what, err, want)
	}
}

// confirmations are those of a request.
func (h *house) confirmations(id access.RequestID) (list []access.Confirmation) {
	h.Helper()
	err := h.Store.View(h.Context(), func(tx store.Tx) (err error) {
		list, err = tx.Confirmations().List(access.DefaultTenant, id)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return list
}

func TestRequestIsConfirmed(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Alice)
	r := h.ask(enginetest.Alice, enginetest.Read)
	id, link := h.confirm(enginetest.Alice, r.ID)
	if status, text := h.page(link); status != http.StatusOK || !strings.Contains(text, enginetest.Read) || !strings.Contains(text, "order 17") || !strings.Contains(text, "30m0s") {
		t.Errorf("the page says %d: %s", status, text)
	}
	if status, answer := h.call(link, "answer", h.assertion(d, link)); status != http.StatusOK {
		t.Fatalf("confirming is answered with %d: %s", status, answer.Error)
	}
	if state := h.state(r.ID); state != access.RequestApproved {
		t.Fatalf("the request is %s", state)
	}
	if c, refused, err := h.Ceremony(t.Context(), h.Who(enginetest.Alice), id); err != nil || refused != "" || c.DoneAt.IsZero() {
		t.Errorf("the ceremony is %+v, %q, %v", c, refused, err)
	}
	_, _, err := h.Ceremony(t.Context(), h.Who(enginetest.Bob), id)
	wantKind(t, "somebody else's ceremony", err, access.KindNotFound)

	h.Settle(h.Engine) // it is decided again when it begins
	v, err := h.Engine.Request(t.Context(), h.Who(enginetest.Alice), r.ID)
	if err != nil || len(v.Grants) != 1 || v.Grants[0].State != access.GrantActive {
		t.Fatalf("%+v, %v", v.Grants, err)
	}
	_, err = h.Engine.Extend(t.Context(), h.Who(enginetest.Alice), v.Grants[0].ID, 10*time.Minute)
	wantKind(t, "longer than was confirmed", err, access.KindDenied)
	h.decided(r.ID)
	h.verifiable(r)
	if n := h.entries(access.EventRequestConfirmed); n != 1 {
		t.Errorf("%d entries say that it was confirmed", n)
	}
}

// decided fails the test unless the last decision saw the confirmation, so that it can be replayed.
func (h *house) decided(id access.RequestID) {
	h.Helper()
	err := h.Store.View(h.Context(), func(tx store.Tx) error {
		list, err := tx.Decisions().List(access.DefaultTenant, id)
		if err != nil {
			return err
		}
		var in struct {
			MFA       bool
			Confirmed struct {
				At     time.Time
				Digest string
			}
		}
		if err := json.Unmarshal(list[len(list)-1].Input, &in); err != nil || !in.MFA || in.Confirmed.Digest == "" || in.Confirmed.At.IsZero() {
			h.Errorf("the last decision saw %s", list[len(list)-1].Input)
		}
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
}

// verifiable fails the test unless what was kept can be verified by itself, and nothing that differs from it.
func (h *house) verifiable(r access.Request) {
	h.Helper()
	kept := h.confirmations(r.ID)
	if len(kept) != 1 || string(kept[0].Hash) != string(access.HashRequest(r)) {
		h.Fatalf("kept is %+v", kept)
	}
	if err := passkey.Verify(kept[0], address); err != nil {
		h.Error(err)
	}
	for what, change := range map[string]func(*access.Confirmation){
		"request":   func(c *access.Confirmation) { c.Request = "req_other" },
		"principal": func(c *access.Confirmation) { c.Principal.Subject = "mallory" },
		"person":    func(c *access.Confirmation) { c.Person = "mallory" },
		"hash":      func(c *access.Confirmation) { c.Hash = make([]byte, 32) },
		"nonce":     func(c *access.Confirmation) { c.Nonce = make([]byte, 32) },
		"signature": func(c *access.Confirmation) { c.Signature = c.Signature[1:] },
		"data":      func(c *access.Confirmation) { c.AuthenticatorData = append([]byte{}, c.AuthenticatorData[:36]...) },
		"key":       func(c *access.Confirmation) { c.PublicKey = c.PublicKey[1:] },
		"type": func(c *access.Confirmation) {
			c.ClientData = []byte(strings.Replace(string(c.ClientData), "webauthn.get", "webauthn.create", 1))
		},
	} {
		other := kept[0]
		change(&other)
		if err := passkey.Verify(other, address); err == nil {
			h.Errorf("another %s is verified", what)
		}
	}
	for _, elsewhere := range []string{"https://curfew.acme.example:8443", "http://curfew.acme.example", "https://acme.example"} {
		if err := passkey.Verify(kept[0], elsewhere); err == nil {
			h.Errorf("it is verified for %s", elsewhere)
		}
	}
}

// TestHostileAssertions: whatever is not this passkey's answer to this challenge, at our pages, by a verified user, confirms nothing.
func TestHostileAssertions(t *testing.T) {
	type (
		party   = virtualwebauthn.RelyingParty
		options = virtualwebauthn.AssertionOptions
	)
	for name, change := range map[string]func(*party, *device, *options){
		"another challenge":     func(_ *party, _ *device, o *options) { o.Challenge = make([]byte, 32) },
		"no challenge":          func(_ *party, _ *device, o *options) { o.Challenge = nil },
		"another origin":        func(p *party, _ *device, _ *options) { p.Origin = "https://curfew.evil.example" },
		"another port":          func(p *party, _ *device, _ *options) { p.Origin = address + ":8443" },
		"without TLS":           func(p *party, _ *device, _ *options) { p.Origin = "http://curfew.acme.example" },
		"another relying party": func(p *party, _ *device, _ *options) { p.ID = "evil.example" },
		"the parent domain":     func(p *party, _ *device, _ *options) { p.ID = "acme.example" },
		"no user verification":  func(_ *party, d *device, _ *options) { d.Options.UserNotVerified = true },
		"nobody present":        func(_ *party, d *device, _ *options) { d.Options.UserNotPresent = true },
		"another user's handle": func(_ *party, d *device, _ *options) { d.Options.UserHandle = []byte("mallory") },
		"another key": func(_ *party, d *device, _ *options) {
			d.key.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key
		},
		"a credential that is not registered": func(_ *party, d *device, _ *options) {
			d.key.ID = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).ID
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			d := h.register(enginetest.Alice)
			r := h.ask(enginetest.Alice, enginetest.Read)
			_, link := h.confirm(enginetest.Alice, r.ID)
			if status, answer := h.call(link, "answer", h.assertion(d, link, change)); status != http.StatusForbidden {
				t.Errorf("it is answered with %d: %+v", status, answer)
			}
			if state := h.state(r.ID); state != access.RequestPending || len(h.confirmations(r.ID)) != 0 {
				t.Errorf("the request is %s", state)
			}
			// It was this change that was refused.
			if status, answer := h.call(link, "answer", h.assertion(d, link)); status != http.StatusOK {
				t.Errorf("the right answer is answered with %d: %s", status, answer.Error)
			}
		})
	}
}

// TestAssertionIsGoodForOneThing: of another request, of another principal, twice, too late.
func TestAssertionIsGoodForOneThing(t *testing.T) {
	c := &clock{}
	h := newHouse(t, enginetest.WithClock(c))
	d, bobs := h.register(enginetest.Alice), h.register(enginetest.Bob)
	first, second := h.ask(enginetest.Alice, enginetest.Read), h.ask(enginetest.Alice, enginetest.Read)
	_, link := h.confirm(enginetest.Alice, first.ID)
	_, another := h.confirm(enginetest.Alice, second.ID)
	answer := h.assertion(d, link)
	if status, _ := h.call(another, "answer", answer); status != http.StatusForbidden {
		t.Errorf("for another request it is answered with %d", status)
	}
	if status, _ := h.call(link, "answer", h.assertion(bobs, link)); status != http.StatusForbidden {
		t.Errorf("of another principal it is answered with %d", status)
	}
	if status, said := h.call(link, "answer", answer); status != http.StatusOK {
		t.Fatalf("%d: %s", status, said.Error)
	}
	if status, _ := h.call(link, "answer", answer); status != http.StatusConflict {
		t.Errorf("the second time it is answered with %d", status)
	}
	// The same link as it was before it was used leads nowhere either.
	if status, _ := h.call("unknown", "answer", answer); status != http.StatusNotFound {
		t.Errorf("at an unknown link it is answered with %d", status)
	}

	// A request that was confirmed is not confirmed again.
	_, _, err := h.ConfirmRequest(t.Context(), h.Who(enginetest.Alice), first.ID)
	wantKind(t, "a confirmed request", err, access.KindConflict)
	_, _, err = h.ConfirmRequest(t.Context(), h.Who(enginetest.Bob), second.ID)
	wantKind(t, "somebody else's request", err, access.KindNotFound)
	_, _, err = h.ConfirmRequest(t.Context(), h.Who(enginetest.Carol), second.ID)
	wantKind(t, "a request that an administrator sees", err, access.KindDenied)

	// The engine itself takes a confirmation for what it is of, and from whom.
	for what, c := range map[string]access.Confirmation{
		"another hash":      {Request: second.ID, Principal: second.Principal, Hash: first.Hash},
		"another principal": {Request: second.ID, Principal: h.Who(enginetest.Bob).ID, Hash: second.Hash},
	} {
		_, err := h.Engine.Confirm(t.Context(), h.Who(enginetest.Alice), engine.SecondFactor{Confirmation: c})
		wantKind(t, what, err, access.KindDenied)
	}

	late := h.assertion(d, another)
	c.ahead = 11 * time.Minute
	if status, _ := h.call(another, "answer", late); status != http.StatusNotFound {
		t.Errorf("too late it is answered with %d", status)
	}
	if status, _ := h.page(another); status != http.StatusNotFound {
		t.Errorf("too late the page is there: %d", status)
	}
	if state := h.state(second.ID); state != access.RequestPending {
		t.Errorf("the request is %s", state)
	}
}

// TestCopiedAuthenticator: a counter that does not go up ends the ceremony, and is in the audit log.
func TestCopiedAuthenticator(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Alice)
	r := h.ask(enginetest.Alice, enginetest.Read)
	id, link := h.confirm(enginetest.Alice, r.ID)
	d.key.Counter-- // so that the answer has that of the registration
	if status, answer := h.call(link, "answer", h.assertion(d, link)); status != http.StatusForbidden || !strings.Contains(answer.Error, "copy") {
		t.Errorf("it is answered with %d: %s", status, answer.Error)
	}
	if n := h.entries(access.EventPasskeyRefused); n != 1 || h.state(r.ID) != access.RequestPending {
		t.Errorf("%d entries, and the request is %s", n, h.state(r.ID))
	}
	if _, refused, err := h.Ceremony(t.Context(), h.Who(enginetest.Alice), id); err != nil || refused == "" {
		t.Errorf("the ceremony was refused %q, %v", refused, err)
	}
}

func TestReviewIsConfirmed(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Bob)
	bob := h.Who(enginetest.Bob)
	first, second := h.ask(enginetest.Alice, enginetest.Write), h.ask(enginetest.Alice, enginetest.Write)
	opinion := engine.Opinion{Verdict: access.Approve, Cap: 10 * time.Minute, Comment: "go ahead"}
	_, err := h.Engine.Review(t.Context(), bob, first.ID, opinion)
	wantKind(t, "a review without a passkey", err, access.KindUnconfirmed)

	_, link, err := h.ConfirmReview(t.Context(), bob, first.ID, opinion)
	if err != nil {
		t.Fatal(err)
	}
	if _, text := h.page(link); !strings.Contains(text, "10m0s") || !strings.Contains(text, "go ahead") || !strings.Contains(text, enginetest.Write) {
		t.Errorf("the page says %s", text)
	}
	answer := h.assertion(d, link)
	_, another, err := h.ConfirmReview(t.Context(), bob, second.ID, opinion)
	if err != nil {
		t.Fatal(err)
	}
	_, longer, err := h.ConfirmReview(t.Context(), bob, first.ID, engine.Opinion{Verdict: access.Approve, Comment: "go ahead"})
	if err != nil {
		t.Fatal(err)
	}
	for what, elsewhere := range map[string]string{"another request": another, "another cap": longer} {
		if status, _ := h.call(elsewhere, "answer", answer); status != http.StatusForbidden {
			t.Errorf("for the review of %s it is answered with %d", what, status)
		}
	}
	if status, said := h.call(link, "answer", answer); status != http.StatusOK {
		t.Fatalf("%d: %s", status, said.Error)
	}
	if state := h.state(first.ID); state != access.RequestApproved {
		t.Fatalf("the request is %s", state)
	}
	kept := h.confirmations(first.ID)
	if len(kept) != 1 || kept[0].Review == "" || kept[0].Principal != bob.ID {
		t.Fatalf("kept is %+v", kept)
	}
	if err := passkey.Verify(kept[0], address); err != nil {
		t.Error(err)
	}
	h.Settle(h.Engine) // the review is counted again when it begins
	v, err := h.Engine.Request(t.Context(), h.Who(enginetest.Alice), first.ID)
	if err != nil || v.Grants[0].State != access.GrantActive || v.Grants[0].Duration != 10*time.Minute {
		t.Fatalf("%+v, %v", v.Grants, err)
	}
	_, _, err = h.ConfirmReview(t.Context(), h.Who(enginetest.AliceAdmin), second.ID, opinion)
	wantKind(t, "one's own request", err, access.KindDenied)
	_, err = h.Engine.Review(t.Context(), bob, second.ID, engine.Opinion{Verdict: access.Deny})
	if err != nil {
		t.Errorf("a denial needs no passkey: %v", err)
	}
}

// TestParametersAreNoWordsOfCurfews: what somebody calls a parameter is not taken for what Curfew says of their request.
func TestParametersAreNoWordsOfCurfews(t *testing.T) {
	h := newHouse(t)
	h.register(enginetest.Bob)
	r, err := h.Engine.Submit(t.Context(), h.Who(enginetest.Alice), engine.Submission{
		Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Write)}, Duration: time.Hour, Reason: "order 17",
		Params: map[string]string{"You shorten it to": "5m0s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, link, err := h.ConfirmReview(t.Context(), h.Who(enginetest.Bob), r.ID, engine.Opinion{Verdict: access.Approve})
	if err != nil {
		t.Fatal(err)
	}
	if _, text := h.page(link); strings.Contains(text, "<dt>You shorten it to</dt>") || !strings.Contains(text, "<dd>You shorten it to = 5m0s</dd>") {
		t.Errorf("the page says %s", text)
	}
}

// TestWhoAskedIsShown: a review is of a request by whoever asked for it, which its hash has too.
func TestWhoAskedIsShown(t *testing.T) {
	policy := reviewedPolicy(time.Hour)
	policy.OnBehalfOf = []string{"person:" + enginetest.Dave}
	h := newHouse(t, enginetest.WithPolicies(policy))
	h.register(enginetest.Bob)
	r, err := h.Engine.Submit(t.Context(), h.Who(enginetest.Dave), engine.Submission{
		Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Write)}, Duration: time.Hour, Reason: "order 17", OnBehalfOf: h.Who(enginetest.Alice).ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, link, err := h.ConfirmReview(t.Context(), h.Who(enginetest.Bob), r.ID, engine.Opinion{Verdict: access.Approve})
	if err != nil {
		t.Fatal(err)
	}
	if _, text := h.page(link); !strings.Contains(text, "<dt>Asked by</dt><dd>static/dave</dd>") {
		t.Errorf("the page says %s", text)
	}
}

// TestConfirmedWhatIsNoMore: what changed since the page was shown, or took too long on its way into the books, does not count.
func TestConfirmedWhatIsNoMore(t *testing.T) {
	c := &clock{}
	h := newHouse(t, enginetest.WithClock(c))
	d, bobs := h.register(enginetest.Alice), h.register(enginetest.Bob)
	r := h.ask(enginetest.Alice, enginetest.Write)
	_, link, err := h.ConfirmReview(t.Context(), h.Who(enginetest.Bob), r.ID, engine.Opinion{Verdict: access.Approve})
	if err != nil {
		t.Fatal(err)
	}
	answer := h.assertion(bobs, link)
	err = h.Reload(func(rules *engine.Rules) {
		rules.Policies = h.Allow(confirmedPolicy(), reviewedPolicy(2*time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, said := h.call(link, "answer", answer); status != http.StatusConflict {
		t.Errorf("under other policies the review is answered with %d: %s", status, said.Error)
	}
	if state := h.state(r.ID); state != access.RequestPending || len(h.confirmations(r.ID)) != 0 {
		t.Errorf("the request is %s", state)
	}

	r = h.ask(enginetest.Alice, enginetest.Read)
	_, link = h.confirm(enginetest.Alice, r.ID)
	h.BeforeTransaction("confirm", func() { c.ahead = 11 * time.Minute })
	if status, _ := h.call(link, "answer", h.assertion(d, link)); status != http.StatusNotFound {
		t.Errorf("what came too late into the books is answered with %d", status)
	}
	if state := h.state(r.ID); state != access.RequestPending {
		t.Errorf("the request is %s", state)
	}
}

func TestAgentsRequestIsConfirmedByItsHuman(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Alice)
	r := h.ask(enginetest.AliceAgent, enginetest.Read)
	_, _, err := h.ConfirmRequest(t.Context(), h.Who(enginetest.AliceAgent), r.ID)
	wantKind(t, "the agent itself", err, access.KindDenied)
	_, _, err = h.Add(t.Context(), h.signedIn(enginetest.AliceAgent), "robot", "")
	wantKind(t, "an agent's passkey", err, access.KindDenied)
	_, link := h.confirm(enginetest.Alice, r.ID)
	if status, answer := h.call(link, "answer", h.assertion(d, link)); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer.Error)
	}
	if state := h.state(r.ID); state != access.RequestApproved {
		t.Errorf("the request is %s", state)
	}
}

// Under the address of a host that is a number browsers have no passkeys; everything else goes on.
func TestNoName(t *testing.T) {
	w := enginetest.New(t)
	for _, at := range []string{"", "http://127.0.0.1:8420", "https://[::1]:8420"} {
		k, err := passkey.New(passkey.Config{
			URL: at, Engine: w.Engine, Store: w.Store, Directory: func() passkey.Directory { return w.Directory }, IDs: engine.UUIDs{},
			Tenant: access.DefaultTenant, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Errorf("at %q: %v", at, err)
			continue
		}
		if _, _, err := k.NewCodes(t.Context(), w.Who(enginetest.Alice)); access.KindOf(err) != access.KindMisconfigured {
			t.Errorf("a ceremony at %q: %v", at, err)
		}
		if _, _, err := k.Add(t.Context(), access.Caller{Principal: w.Who(enginetest.Alice)}, "laptop", ""); access.KindOf(err) != access.KindMisconfigured {
			t.Errorf("a first passkey at %q: %v", at, err)
		}
		if _, _, err := k.Invite(t.Context(), w.Who(enginetest.Carol), w.Who(enginetest.Alice).ID); access.KindOf(err) != access.KindMisconfigured {
			t.Errorf("an invitation at %q: %v", at, err)
		}
	}
}

// TestLimited: what is posted on the pages is bounded by address, as it is everywhere.
func TestLimited(t *testing.T) {
	h := newHouse(t)
	for i := range 61 {
		status, said := h.call("nothing", []string{"answer", "recover"}[i%2], `{}`)
		if want := http.StatusNotFound; i < 60 && status != want || i == 60 && status != http.StatusTooManyRequests {
			t.Fatalf("call %d is answered with %d: %s", i, status, said.Error)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, address+passkey.Path+"nothing/refuse", nil))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("a form is answered with %d", w.Code)
	}
	if status, _ := h.page("nothing"); status != http.StatusNotFound {
		t.Errorf("a page is answered with %d", status)
	}
}
