package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// caller is who a browser is of.
func (b *browser) caller() access.Caller {
	b.Helper()
	c, _, err := b.Registrar.Browse(b.Context(), b.cookies[cookie])
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// A program's session and tokens stand beside the browser's, and are ended there; nobody ends another's.
func TestSessions(t *testing.T) {
	h := newHouse(t)
	b, other, bobs := h.signedIn("alice"), h.signedIn("alice"), h.signedIn("bob")
	me := b.caller()
	token, made, err := h.Registrar.MakeToken(t.Context(), me, directory.TokenOrder{
		Principal: me.ID, Scopes: []access.Scope{access.ScopeRead}, For: time.Hour, Label: "nightly <b>",
	})
	if err != nil {
		t.Fatal(err)
	}
	page := b.get("/account/sessions")
	want(t, "the list", page, http.StatusOK, "nightly &lt;b&gt;", "may read", string(made.ID), string(me.Session.ID), string(other.caller().Session.ID))
	if text := page.Body.String(); strings.Count(text, "this browser</strong>") != 1 || strings.Contains(text, string(bobs.caller().Session.ID)) {
		t.Errorf("the list is %s", text)
	}

	want(t, "another's", bobs.post("/account/sessions/"+string(made.ID)+"/end"), http.StatusNotFound)
	if _, err := h.Directory.Authenticate(t.Context(), token); err != nil {
		t.Errorf("another has ended it: %v", err)
	}
	want(t, "a token", b.post("/account/sessions/"+string(made.ID)+"/end"), http.StatusSeeOther, "/account/sessions?ended")
	want(t, "afterwards", b.get("/account/sessions?ended"), http.StatusOK, "It has ended")
	if _, err := h.Directory.Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("the token that was ended: %v", err)
	}
	want(t, "another browser", b.post("/account/sessions/"+string(other.caller().Session.ID)+"/end"), http.StatusSeeOther)
	want(t, "another browser, then", other.get("/account"), http.StatusUnauthorized, "Your session has ended")
	want(t, "this browser", b.post("/account/sessions/"+string(me.Session.ID)+"/end"), http.StatusSeeOther, "/signed-out")
	if len(b.cookies) > 0 {
		t.Errorf("the browser keeps %v", b.cookies)
	}
	want(t, "this browser, then", b.get("/account"), http.StatusUnauthorized, "You are not signed in")
	want(t, "a page of nowhere", bobs.get("/account/sessions?after=x"), http.StatusUnprocessableEntity)
}

func TestSignOutEverywhere(t *testing.T) {
	h := newHouse(t)
	b, other, bobs := h.signedIn("alice"), h.signedIn("alice"), h.signedIn("bob")
	want(t, "everywhere", b.post("/sign-out/everywhere"), http.StatusSeeOther, "/signed-out")
	want(t, "here", b.get("/account"), http.StatusUnauthorized)
	want(t, "there", other.get("/account"), http.StatusUnauthorized, "Your session has ended")
	want(t, "somebody else", bobs.get("/account"), http.StatusOK)
}

// A session that is ended elsewhere ends at the next page, which says so once and leads to the sign-in; nothing goes in circles.
func TestEnded(t *testing.T) {
	for what, end := range map[string]func(h *house, c access.Caller) error{
		"gone from the directory": func(h *house, c access.Caller) error {
			return h.Engine.Change(h.Context(), "told", func(tx store.Tx, enter func(access.Event) error) error { return h.Registrar.Gone(tx, enter, c.ID) })
		},
		"ended by a program": func(h *house, c access.Caller) error {
			return h.Registrar.SignOut(h.Context(), c.Principal, c.Session.ID)
		},
		"ended at the provider": func(h *house, _ access.Caller) error {
			_, err := h.Registrar.EndedAtProvider(h.Context(), "sso", identity.Ended{ID: "1", Session: "at the provider", Until: time.Now().Add(time.Minute)})
			return err
		},
		"not used": func(*house, access.Caller) error { time.Sleep(time.Hour); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				b := h.signedIn("alice")
				if err := end(h, b.caller()); err != nil {
					t.Fatal(err)
				}
				for _, act := range []func() int{
					func() int { return b.get("/account").Code },
					func() int { return b.post("/sign-out").Code }, // which has nothing to end
				} {
					if got := act(); got != http.StatusUnauthorized || len(b.cookies) > 0 {
						t.Errorf("%d, and the browser keeps %v", got, b.cookies)
					}
				}
				want(t, "then", b.get("/account"), http.StatusUnauthorized, "You are not signed in")
			})
		})
	}
}

// The browser is told of a new secret with whatever it is told; an old one that comes back ends the session, and says why.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		b := h.signedIn("alice")
		first := b.cookies[cookie]
		if want(t, "early", b.get("/account"), http.StatusOK, "(in 12 h)", "not used it for 1 h"); b.cookies[cookie] != first {
			t.Error("the secret is replaced at once")
		}
		time.Sleep(15 * time.Minute)
		want(t, "what is not there", b.post("/account/sessions/se_none/end"), http.StatusNotFound)
		second := b.cookies[cookie]
		if second == first {
			t.Fatal("the secret is not replaced")
		}
		want(t, "with the new one", b.get("/account"), http.StatusOK)
		time.Sleep(time.Minute)
		thief := h.browser()
		thief.cookies[cookie] = first
		want(t, "a copy", thief.get("/account"), http.StatusUnauthorized, "used in two places")
		want(t, "the owner", b.get("/account"), http.StatusUnauthorized, "Your session has ended")
		for _, secret := range []string{first, second} {
			if strings.Contains(h.log.String(), secret) {
				t.Error("the log has a secret")
			}
		}
	})
}

// A form leads to the page of a ceremony, which is a passkey's.
func TestPasskeys(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn("alice")
	want(t, "to add one", b.send(http.MethodPost, "/account/passkeys", url.Values{"label": {"blue key"}}), http.StatusSeeOther, "/confirm/")
	caller := b.caller()
	err := h.Engine.Change(t.Context(), "test", func(tx store.Tx, _ func(access.Event) error) error {
		return tx.Passkeys().Insert(access.Passkey{
			ID: "pk_1", Tenant: access.DefaultTenant, Principal: caller.ID, Person: caller.Person, Label: "blue <b>", CredentialID: []byte("id"),
			PublicKey: []byte("key"), BackedUp: true, BackupEligible: true, CreatedAt: tx.Now(),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the list", b.get("/account/passkeys"), http.StatusOK, "blue &lt;b&gt;", "never", "synced to other devices", "You have 0 left")
	want(t, "to remove it", b.post("/account/passkeys/pk_1/remove"), http.StatusSeeOther, "/confirm/")
	want(t, "another's", h.signedIn("bob").post("/account/passkeys/pk_1/remove"), http.StatusNotFound)
	want(t, "to make codes", b.post("/account/passkeys/recovery-codes"), http.StatusSeeOther, "/confirm/")
}
