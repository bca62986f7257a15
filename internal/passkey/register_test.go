package passkey_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// passkeys are how many somebody has, and how many recovery codes.
func (h *house) passkeys(who string, want, wantCodes int) []access.Passkey {
	h.Helper()
	list, codes, err := h.Passkeys(h.Context(), h.Who(who))
	if err != nil || len(list) != want || codes != wantCodes {
		h.Errorf("%s has %d passkeys and %d codes, %v; want %d and %d", who, len(list), codes, err, want, wantCodes)
	}
	return list
}

// TestFirstPasskey: only after a sign-in of a short while ago, or with an invitation.
func TestFirstPasskey(t *testing.T) {
	h := newHouse(t)
	alice := h.signedIn(enginetest.Alice)
	long, token := alice, alice
	long.Session.CreatedAt = alice.Session.CreatedAt.Add(-10 * time.Minute)
	token.Session.Kind = access.SessionToken
	for what, caller := range map[string]access.Caller{
		"a sign-in of long ago": long, "a token": token, "a token of the configuration": {Principal: alice.Principal},
	} {
		_, _, err := h.Add(t.Context(), caller, "laptop", "")
		wantKind(t, what, err, access.KindDenied)
	}
	_, _, err := h.Add(t.Context(), alice, "two\nlines", "")
	wantKind(t, "a label of two lines", err, access.KindInvalid)

	_, link, err := h.Add(t.Context(), alice, "laptop", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, status := h.create(link); status != http.StatusOK {
		t.Fatalf("registering is answered with %d", status)
	}
	if status, _ := h.call(link, "answer", "{}"); status != http.StatusConflict {
		t.Errorf("the second time the link is answered with %d", status)
	}
	h.passkeys(enginetest.Alice, 1, 0)
	if n := h.entries(access.EventPasskeyAdded); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// signsIn has somebody of a source sign in.
func (h *house) signsIn(subject string) access.Caller {
	h.Helper()
	sum := sha256.Sum256([]byte("verifier"))
	code, err := h.Registrar.Begin(h.Context(), directory.SignIn{
		Source: "sso", Account: identity.Account{Subject: subject}, Label: "laptop", Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		h.Fatal(err)
	}
	token, _, err := h.Registrar.Redeem(h.Context(), code, "verifier")
	if err != nil {
		h.Fatal(err)
	}
	caller, err := h.Directory.Authenticate(h.Context(), token)
	if err != nil {
		h.Fatal(err)
	}
	return caller
}

// TestFirstPasskeyIsOneAlone: what rests on a sign-in alone registers the first passkey and no other, and only while the sign-in lasts.
// Who had a token for a moment would else have a passkey that its owner cannot get rid of.
func TestFirstPasskeyIsOneAlone(t *testing.T) {
	h := newHouse(t)
	begin := func() (owner access.Caller, link string) {
		t.Helper()
		owner = h.signsIn("erin")
		_, link, err := h.Add(t.Context(), owner, "laptop", "")
		if err != nil {
			t.Fatal(err)
		}
		return owner, link
	}
	owner, thiefs := begin()
	if _, err := h.Registrar.SignOutEverywhere(t.Context(), owner.Principal); err != nil {
		t.Fatal(err)
	}
	if _, status := h.create(thiefs); status != http.StatusForbidden {
		t.Errorf("after the sign-in it is answered with %d", status)
	}
	_, thiefs = begin()
	_, hers := begin()
	if _, status := h.create(hers); status != http.StatusOK {
		t.Fatalf("the first is answered with %d", status)
	}
	if _, status := h.create(thiefs); status != http.StatusConflict {
		t.Errorf("another first is answered with %d", status)
	}
	if list, _, err := h.Passkeys(t.Context(), owner.Principal); len(list) != 1 || err != nil {
		t.Errorf("%d passkeys, %v", len(list), err)
	}
}

func TestInvitation(t *testing.T) {
	h := newHouse(t)
	carol, alice, mallory := h.Who(enginetest.Carol), access.Caller{Principal: h.Who(enginetest.Alice)}, access.Caller{Principal: h.Who(enginetest.Mallory)}
	_, _, err := h.Invite(t.Context(), alice.Principal, carol.ID)
	wantKind(t, "who is no administrator", err, access.KindDenied)
	_, _, err = h.Invite(t.Context(), carol, carol.ID)
	wantKind(t, "oneself", err, access.KindDenied)
	_, _, err = h.Invite(t.Context(), carol, h.Who(enginetest.AliceAgent).ID)
	wantKind(t, "an agent", err, access.KindDenied)
	code, _, err := h.Invite(t.Context(), carol, alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := h.page(code); status != http.StatusNotFound {
		t.Errorf("an invitation is a page: %d", status)
	}
	_, _, err = h.Add(t.Context(), mallory, "laptop", code)
	wantKind(t, "somebody else's invitation", err, access.KindDenied)
	_, _, err = h.Add(t.Context(), alice, "laptop", "guessed")
	wantKind(t, "no invitation", err, access.KindDenied)
	if _, _, err := h.Add(t.Context(), alice, "laptop", code); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.Add(t.Context(), alice, "laptop", code)
	wantKind(t, "an invitation that was used", err, access.KindDenied)
	if n := h.entries(access.EventPasskeyInvited); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// TestFurtherPasskeys: each needs the word of one that is there, and so does removing one.
func TestFurtherPasskeys(t *testing.T) {
	h := newHouse(t)
	first := h.register(enginetest.Alice)
	_, link, err := h.Add(t.Context(), h.signedIn(enginetest.Alice), "phone", "")
	if err != nil {
		t.Fatal(err)
	}
	// A new key in place of the word of the old one.
	made := virtualwebauthn.CreateAttestationResponse(h.party, first.Authenticator, newKey(), virtualwebauthn.AttestationOptions{Challenge: h.challenge(link)})
	if status, _ := h.call(link, "answer", made); status != http.StatusForbidden {
		t.Errorf("without a proof it is answered with %d", status)
	}
	if status, answer := h.call(link, "answer", h.assertion(first, link)); status != http.StatusOK || !answer.More {
		t.Fatalf("%d: %+v", status, answer)
	}
	second, status := h.create(link)
	if status != http.StatusOK {
		t.Fatalf("registering is answered with %d", status)
	}
	list := h.passkeys(enginetest.Alice, 2, 0)

	_, link, err = h.Remove(t.Context(), h.Who(enginetest.Alice), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = h.Remove(t.Context(), h.Who(enginetest.Bob), list[0].ID)
	wantKind(t, "somebody else's", err, access.KindNotFound)
	if status, answer := h.call(link, "answer", h.assertion(second, link)); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer.Error)
	}
	h.passkeys(enginetest.Alice, 1, 0)
	if n := h.entries(access.EventPasskeyRemoved); n != 1 {
		t.Errorf("%d entries", n)
	}
	r := h.ask(enginetest.Alice, enginetest.Read)
	_, link = h.confirm(enginetest.Alice, r.ID)
	if status, _ := h.call(link, "answer", h.assertion(first, link)); status != http.StatusForbidden {
		t.Errorf("what was removed confirms: %d", status)
	}
}

// proven begins to add a passkey, and has the word of the one that is there.
func (h *house) proven(who string, d *device) (link string) {
	h.Helper()
	_, link, err := h.Add(h.Context(), h.signedIn(who), "another", "")
	if err != nil {
		h.Fatal(err)
	}
	if status, answer := h.call(link, "answer", h.assertion(d, link)); status != http.StatusOK || !answer.More {
		h.Fatalf("%d: %+v", status, answer)
	}
	return link
}

// TestPasskeysAreBounded: also those that are begun at the same time. One beyond would be in no list, and nobody could remove it.
func TestPasskeysAreBounded(t *testing.T) {
	h := newHouse(t)
	first := h.register(enginetest.Alice)
	links := make([]string, store.MaxPasskeys)
	for i := range links {
		links[i] = h.proven(enginetest.Alice, first)
	}
	for _, link := range links[1:] {
		if _, status := h.create(link); status != http.StatusOK {
			t.Fatalf("registering is answered with %d", status)
		}
	}
	if _, status := h.create(links[0]); status != http.StatusTooManyRequests {
		t.Errorf("one too many is answered with %d", status)
	}
	list := h.passkeys(enginetest.Alice, store.MaxPasskeys, 0)
	_, link, err := h.Remove(t.Context(), h.Who(enginetest.Alice), list[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := h.call(link, "answer", h.assertion(first, link)); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer.Error)
	}
	h.passkeys(enginetest.Alice, store.MaxPasskeys-1, 0)
}

// TestTheWordOfAPasskeyThatIsNoMore: who has somebody's passkey adds no other once that is removed.
func TestTheWordOfAPasskeyThatIsNoMore(t *testing.T) {
	h := newHouse(t)
	stolen := h.register(enginetest.Alice)
	hers, status := h.create(h.proven(enginetest.Alice, stolen))
	if status != http.StatusOK {
		t.Fatalf("registering is answered with %d", status)
	}
	thiefs := h.proven(enginetest.Alice, stolen)
	_, link, err := h.Remove(t.Context(), h.Who(enginetest.Alice), h.passkeys(enginetest.Alice, 2, 0)[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := h.call(link, "answer", h.assertion(hers, link)); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer.Error)
	}
	if _, status := h.create(thiefs); status != http.StatusForbidden {
		t.Errorf("on the word of a passkey that was removed it is answered with %d", status)
	}
	h.passkeys(enginetest.Alice, 1, 0)
}

// challenge is the one of a ceremony.
func (h *house) challenge(link string) []byte {
	h.Helper()
	options, err := virtualwebauthn.ParseAssertionOptions(h.options(link))
	if err != nil {
		h.Fatal(err)
	}
	return options.Challenge
}

// recover uses a recovery code.
func (h *house) recover(link, code string) (status int, more bool) {
	h.Helper()
	body, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		h.Fatal(err)
	}
	status, answer := h.call(link, "recover", string(body))
	return status, answer.More
}

func TestRecoveryCodes(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Alice)
	alice := h.Who(enginetest.Alice)
	renew := func() []string {
		t.Helper()
		_, link, err := h.NewCodes(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := h.call(link, "answer", h.assertion(d, link))
		if status != http.StatusOK || len(answer.Codes) != 10 {
			t.Fatalf("%d: %+v", status, answer)
		}
		return answer.Codes
	}
	old := renew()
	codes := renew()
	h.passkeys(enginetest.Alice, 1, 10)

	r := h.ask(enginetest.Alice, enginetest.Read)
	_, link := h.confirm(enginetest.Alice, r.ID)
	if status, _ := h.recover(link, codes[0]); status != http.StatusForbidden {
		t.Errorf("a request is confirmed with a code: %d", status)
	}
	h.passkeys(enginetest.Alice, 1, 10)

	add := func() string {
		t.Helper()
		_, link, err := h.Add(t.Context(), access.Caller{Principal: alice}, "new phone", "")
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	link = add()
	if status, _ := h.recover(link, old[0]); status != http.StatusForbidden {
		t.Errorf("a code of before is answered with %d", status)
	}
	if status, more := h.recover(link, codes[0]); status != http.StatusOK || !more {
		t.Fatalf("a code is answered with %d", status)
	}
	if _, status := h.create(link); status != http.StatusOK {
		t.Fatalf("registering is answered with %d", status)
	}
	h.passkeys(enginetest.Alice, 2, 9)
	link = add()
	if status, _ := h.recover(link, codes[0]); status != http.StatusForbidden {
		t.Errorf("a code that was used is answered with %d", status)
	}
	if made, used := h.entries(access.EventRecoveryCodesMade), h.entries(access.EventRecoveryCodeUsed); made != 2 || used != 1 {
		t.Errorf("%d entries of codes that were made, %d of those that were used", made, used)
	}
	for range 4 { // the fifth wrong code ends it
		h.recover(link, "wrong")
	}
	if status, _ := h.recover(link, codes[1]); status != http.StatusConflict {
		t.Errorf("after five wrong codes a right one is answered with %d", status)
	}
	h.passkeys(enginetest.Alice, 2, 9)
}

// TestARightCodeForWhatIsNoMore: a code is called wrong only if it is, and is not used up for nothing.
func TestARightCodeForWhatIsNoMore(t *testing.T) {
	h := newHouse(t)
	d := h.register(enginetest.Alice)
	_, link, err := h.NewCodes(t.Context(), h.Who(enginetest.Alice))
	if err != nil {
		t.Fatal(err)
	}
	_, answer := h.call(link, "answer", h.assertion(d, link))
	var links [2]string
	for i := range links {
		if _, links[i], err = h.Remove(t.Context(), h.Who(enginetest.Alice), h.passkeys(enginetest.Alice, 1, 10)[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{http.StatusOK, http.StatusNotFound} {
		if status, _ := h.recover(links[i], answer.Codes[i]); status != want {
			t.Errorf("a right code is answered with %d, want %d", status, want)
		}
	}
	h.passkeys(enginetest.Alice, 0, 9)
}

// TestForgotten: nothing of what somebody confirmed with stays when they are forgotten.
func TestForgotten(t *testing.T) {
	c := &clock{}
	h := newHouse(t, enginetest.WithClock(c))
	d := h.register(enginetest.Alice)
	_, link, err := h.NewCodes(t.Context(), h.Who(enginetest.Alice))
	if err != nil {
		t.Fatal(err)
	}
	h.call(link, "answer", h.assertion(d, link))
	h.passkeys(enginetest.Alice, 1, 10)
	r := h.ask(enginetest.Alice, enginetest.Read)
	_, link = h.confirm(enginetest.Alice, r.ID)
	h.call(link, "answer", h.assertion(d, link))
	if len(h.confirmations(r.ID)) != 1 {
		t.Fatal("nothing was confirmed")
	}
	h.Settle(h.Engine)
	c.ahead = 2 * time.Hour
	h.Settle(h.Engine)
	c.ahead = 30 * time.Hour
	h.Settle(h.Engine)
	h.forget(h.Who(enginetest.Alice).Person)
	h.passkeys(enginetest.Alice, 0, 0)
	if kept := h.confirmations(r.ID); len(kept) != 0 {
		t.Errorf("kept is %+v", kept)
	}
}

// TestForgottenWhoWasThoughtTheSame: who was taken for somebody else, and told apart, keeps the passkeys that they have made since when
// that one is forgotten. What they had made under the name of who is forgotten bears it, and goes.
func TestForgottenWhoWasThoughtTheSame(t *testing.T) {
	h := newHouse(t)
	carol, frank, erin := h.Who(enginetest.Carol), h.signsIn("frank"), h.signsIn("erin")
	add := func() {
		t.Helper()
		_, link, err := h.Add(t.Context(), h.signsIn("erin"), "laptop", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, status := h.create(link); status != http.StatusOK {
			t.Fatalf("registering is answered with %d", status)
		}
	}
	forget := func(person access.PersonID, left int) {
		t.Helper()
		h.forget(person)
		if list, _, err := h.Passkeys(t.Context(), erin.Principal); len(list) != left || err != nil {
			t.Errorf("she has %d passkeys, %v; want %d", len(list), err, left)
		}
	}
	add()
	if _, err := h.Registrar.Link(t.Context(), carol, frank.ID, erin.ID, "one human"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Registrar.Unlink(t.Context(), carol, erin.ID, "two humans"); err != nil {
		t.Fatal(err)
	}
	forget(erin.Person, 0)
	add()
	forget(frank.Person, 1)
	forget(h.signsIn("erin").Person, 0)
}

// forget has somebody forgotten whose access is over.
func (h *house) forget(person access.PersonID) {
	h.Helper()
	carol := h.Who(enginetest.Carol)
	if _, err := h.Engine.Sequence(h.Context(), "test"); err != nil {
		h.Fatal(err)
	}
	if _, err := h.Engine.Forget(h.Context(), carol, engine.ForgetOrder{Person: person}, "asked for it in writing"); err != nil {
		h.Fatal(err)
	}
	for more := true; more; {
		if _, err := h.Engine.Sequence(h.Context(), "test"); err != nil {
			h.Fatal(err)
		}
		var err error
		if more, err = h.Engine.Erase(h.Context()); err != nil {
			h.Fatal(err)
		}
	}
}
