package directory_test

import (
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
)

// signInIn signs Erin in, in a session that the provider calls so, on this machine and on a device.
func signInIn(t *testing.T, w *World, session string) (token, onDevice string) {
	t.Helper()
	account := erin("payments")
	account.Session = session
	code := func() string {
		code, err := w.Registrar.Begin(t.Context(), directory.SignIn{Source: "sso", Account: account, Label: "curfew on vm", Challenge: challenge()})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	token, s, err := w.Registrar.Redeem(t.Context(), code(), verifier)
	if err != nil || s.ProviderSession != session {
		t.Fatalf("%+v, %v", s, err)
	}
	codes := beginDevice(t, w)
	if err := w.Registrar.SettleDevice(t.Context(), codes.User, code(), true); err != nil {
		t.Fatal(err)
	}
	_, onDevice, s, err = w.Registrar.AskDevice(t.Context(), codes.Device)
	if err != nil || s.ProviderSession != session {
		t.Fatalf("on a device: %+v, %v", s, err)
	}
	return token, onDevice
}

// A provider ends the sessions that came of it, as far as it says, once; what somebody had made for programs stays.
func TestEndedAtProvider(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		first, firstDevice := signInIn(t, w, "first")
		second, secondDevice := signInIn(t, w, "second")
		nameless, namelessDevice := signInIn(t, w, "")
		c, err := w.Directory.Authenticate(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		program, _, err := w.Registrar.MakeToken(t.Context(), c, directory.TokenOrder{
			Principal: c.ID, Scopes: []access.Scope{access.ScopeRead}, For: time.Hour, Label: "nightly",
		})
		if err != nil {
			t.Fatal(err)
		}
		good := func(what string, tokens ...string) {
			t.Helper()
			for _, token := range tokens {
				if _, err := w.Directory.Authenticate(t.Context(), token); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		}
		ended := func(source string, told identity.Ended, want int) {
			t.Helper()
			told.Until = time.Now().Add(2 * time.Minute)
			if n, err := w.Registrar.EndedAtProvider(t.Context(), source, told); n != want || err != nil {
				t.Errorf("%s says %+v: %d have ended, %v; want %d", source, told, n, err, want)
			}
		}
		at := end(t, w)
		ended("another", identity.Ended{ID: "1", Subject: c.ID.Subject, Session: "first"}, 0)
		ended("sso", identity.Ended{ID: "1", Session: "third"}, 0)
		ended("sso", identity.Ended{ID: "2", Subject: "somebody else", Session: "first"}, 0)
		good("before", first, firstDevice, second, secondDevice, nameless)
		if kinds, _ := entries(t, w, at); kinds != nil {
			t.Errorf("nothing has ended, and entered is %v", kinds)
		}

		ended("sso", identity.Ended{ID: "3", Session: "first"}, 2)
		refusedToken(t, w, "of the first session", first)
		refusedToken(t, w, "of the first session, on a device", firstDevice)
		good("of another session", second, secondDevice, nameless)
		if kinds, personal := entries(t, w, at); !slices.Equal(kinds, []string{"session.ended", "session.ended"}) || personal["label"] != "curfew on vm" {
			t.Errorf("entered: %v %v", kinds, personal)
		}

		pending := begin(t, w)
		ended("sso", identity.Ended{ID: "4", Subject: c.ID.Subject}, 4)
		for what, token := range map[string]string{"second": second, "second on a device": secondDevice, "nameless": nameless, "nameless on a device": namelessDevice} {
			refusedToken(t, w, what, token)
		}
		if _, _, err := w.Registrar.Redeem(t.Context(), pending, verifier); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("a sign-in that nobody has taken up yet: %v", err)
		}
		good("a program's token", program)

		// What was said is spent, until it would not be believed any more.
		again := identity.Ended{ID: "4", Subject: c.ID.Subject, Until: time.Now().Add(2 * time.Minute)}
		back, _ := signInIn(t, w, "fourth")
		if _, err := w.Registrar.EndedAtProvider(t.Context(), "sso", again); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("said once more: %v", err)
		}
		good("signed in again", back)
		time.Sleep(3 * time.Minute)
		ended("sso", identity.Ended{ID: "4", Session: "none"}, 0)
	})
}

// A provider may say that a session is over after it has signed somebody in by it, and before theirs begins here: it does not.
func TestEndedBeforeItBegins(t *testing.T) {
	for name, told := range map[string]identity.Ended{
		"whoever's it is": {ID: "1", Session: "first"}, "hers": {ID: "1", Subject: "00u/erin", Session: "first"},
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				account := erin("payments")
				begins := func(session string) (errs [2]error) {
					account.Session = session
					in := directory.SignIn{Source: "sso", Account: account, Label: "curfew on vm", Challenge: challenge()}
					_, errs[0] = w.Registrar.Begin(t.Context(), in)
					_, _, errs[1] = w.Registrar.BeginBrowser(t.Context(), in, "")
					return errs
				}
				told.Until = time.Now().Add(2 * time.Minute)
				if _, err := w.Registrar.EndedAtProvider(t.Context(), "sso", told); err != nil {
					t.Fatal(err)
				}
				for i, err := range begins("first") {
					if access.KindOf(err) != access.KindUnauthenticated {
						t.Errorf("way %d, by a session that is over: %v", i, err)
					}
				}
				told.ID = "2"
				if _, err := w.Registrar.EndedAtProvider(t.Context(), "sso", told); err != nil {
					t.Errorf("said in other words: %v", err)
				}
				for _, session := range []string{"second", ""} {
					for i, err := range begins(session) {
						if err != nil {
							t.Errorf("way %d, by the session %q: %v", i, session, err)
						}
					}
				}
			})
		})
	}
}
