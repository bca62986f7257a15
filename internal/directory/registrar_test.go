package directory_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// house runs a test in a bubble, so that time passes at once.
func house(t *testing.T, test func(t *testing.T, w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, WithEventsNumbered())) })
}

func erin(groups ...string) identity.Account {
	return identity.Account{Subject: "00u/erin", Name: "Erin", Groups: groups, Attributes: map[string]string{"db_user": "erin"}}
}

func tell(t *testing.T, w *World, a identity.Account) (p access.Profile) {
	t.Helper()
	err := w.Engine.Change(t.Context(), "told", func(tx store.Tx, enter func(access.Event) error) (err error) {
		p, err = w.Registrar.Tell(tx, enter, "sso", a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func gone(t *testing.T, w *World, id access.PrincipalID) {
	t.Helper()
	err := w.Engine.Change(t.Context(), "told", func(tx store.Tx, enter func(access.Event) error) error { return w.Registrar.Gone(tx, enter, id) })
	if err != nil {
		t.Fatal(err)
	}
}

// entries are the kinds of what was entered behind the first n, and the personal values of the last.
func entries(t *testing.T, w *World, n int64) (kinds []string, last map[string]string) {
	t.Helper()
	page, err := w.Engine.Events(t.Context(), w.Who(Carol), engine.LogQuery{After: n, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Items {
		kinds, last = append(kinds, string(e.Kind)), e.Personal
	}
	return kinds, last
}

func end(t *testing.T, w *World) int64 {
	t.Helper()
	n, err := w.Engine.LastPosition(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A source tells of somebody: for the first time, the same, something else, that they are gone, and that they are back.
func TestTell(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		first := tell(t, w, erin("payments", "leads", "payments"))
		if first.Person == "" || !slices.Equal(first.Groups, []string{"sso/leads", "sso/payments"}) || !first.UndecidedSince.IsZero() {
			t.Errorf("at first: %+v", first)
		}
		kinds, personal := entries(t, w, 0)
		if want := map[string]string{"name": "Erin", "groups_joined": "sso/leads sso/payments", "attributes": "db_user=erin"}; !slices.Equal(kinds, []string{"principal.added"}) || cmp.Diff(want, personal) != "" {
			t.Errorf("entered: %v\n%s", kinds, cmp.Diff(want, personal))
		}

		at := end(t, w)
		if again := tell(t, w, erin("leads", "payments")); cmp.Diff(first, again) != "" {
			t.Errorf("the same again (-before +after):\n%s", cmp.Diff(first, again))
		}
		if kinds, _ := entries(t, w, at); kinds != nil {
			t.Errorf("the same again enters %v", kinds)
		}
		time.Sleep(25 * time.Hour)
		if again := tell(t, w, erin("leads", "payments")); !again.ToldAt.After(first.ToldAt) || !again.UndecidedSince.IsZero() {
			t.Errorf("a day later: %+v", again)
		}

		changed := erin("leads", "sales")
		changed.Attributes = map[string]string{"db_user": "erin2"}
		second := tell(t, w, changed)
		if second.UndecidedSince.IsZero() || second.Person != first.Person || second.ProfileID != first.ProfileID {
			t.Errorf("changed: %+v", second)
		}
		kinds, personal = entries(t, w, at)
		want := map[string]string{"groups_joined": "sso/sales", "groups_left": "sso/payments", "attributes": "db_user=erin2"}
		if !slices.Equal(kinds, []string{"principal.changed"}) || cmp.Diff(want, personal) != "" {
			t.Errorf("entered: %v\n%s", kinds, cmp.Diff(want, personal))
		}

		at = end(t, w)
		gone(t, w, second.ID)
		gone(t, w, second.ID)
		gone(t, w, access.PrincipalID{Issuer: "sso", Subject: "nobody"})
		if _, err := w.Directory.Principal(t.Context(), second.ID); access.KindOf(err) != access.KindNotFound {
			t.Errorf("who is gone: %v", err)
		}
		back := tell(t, w, changed)
		if back.Person != first.Person || !back.GoneAt.IsZero() || back.UndecidedSince != second.UndecidedSince {
			t.Errorf("back: %+v", back)
		}
		if kinds, _ = entries(t, w, at); !slices.Equal(kinds, []string{"principal.gone", "principal.returned"}) {
			t.Errorf("entered: %v", kinds)
		}
	})
}

// Selectors find whom sources tell of, beside whom the configuration lists.
func TestMembersOfSources(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		p := tell(t, w, erin("payments"))
		left := erin("payments")
		left.Subject = "left"
		gone(t, w, tell(t, w, left).ID)
		for selector, want := range map[string]bool{
			"group:sso/payments": true, "group:sso/Payments": false, "group:static/payments": false, "principal:sso/00u%2Ferin": true,
			"principal:sso/left": false, "person:" + string(p.Person): true, "kind:human": true, "kind:agent": false, "anyone": true,
		} {
			members, err := w.Directory.Members(t.Context(), mustSelector(t, selector))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, m := range members {
				if m.ID.Issuer == "sso" {
					n++
				}
			}
			if (n == 1) != want || n > 1 {
				t.Errorf("%s stands for %d of the source's", selector, n)
			}
		}
	})
}

const verifier = "a-verifier-of-forty-three-characters-or-more"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func begin(t *testing.T, w *World) string {
	t.Helper()
	code, err := w.Registrar.Begin(t.Context(), directory.SignIn{Source: "sso", Account: erin("payments"), Label: "curfew on vm", Challenge: challenge()})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func signIn(t *testing.T, w *World) (string, access.Session) {
	t.Helper()
	token, s, err := w.Registrar.Redeem(t.Context(), begin(t, w), verifier)
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

func refusedToken(t *testing.T, w *World, what, token string) {
	t.Helper()
	if c, err := w.Directory.Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated {
		t.Errorf("%s is %s, %v", what, c.ID, err)
	}
}

func TestSignIn(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		token, s := signIn(t, w)
		c, err := w.Directory.Authenticate(t.Context(), token)
		if err != nil || c.Name != "Erin" || c.Session.ID != s.ID || !c.Session.May(access.ScopeAdmin) {
			t.Errorf("signed in: %+v, %v", c, err)
		}
		if kinds, personal := entries(t, w, 0); !slices.Equal(kinds, []string{"principal.added", "session.begun"}) || personal["label"] != "curfew on vm" {
			t.Errorf("entered: %v %v", kinds, personal)
		}

		// A code is good once, for who has its verifier, and not for long; whatever goes wrong ends it.
		code := begin(t, w)
		for _, v := range []string{"another verifier", verifier} {
			if _, _, err := w.Registrar.Redeem(t.Context(), code, v); access.KindOf(err) != access.KindUnauthenticated {
				t.Errorf("after a wrong verifier, %q: %v", v, err)
			}
		}
		code = begin(t, w)
		time.Sleep(5 * time.Minute)
		if _, _, err := w.Registrar.Redeem(t.Context(), code, verifier); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("too late: %v", err)
		}
		code = begin(t, w)
		if _, _, err := w.Registrar.Redeem(t.Context(), code, verifier); err != nil {
			t.Error(err)
		}
		for what, code := range map[string]string{"once more": code, "a token": token, "nothing": ""} {
			if _, _, err := w.Registrar.Redeem(t.Context(), code, verifier); access.KindOf(err) != access.KindUnauthenticated {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, label := range []string{"", "two\nlines", strings.Repeat("x", 129), "\u202egnp.exe"} {
			if _, err := w.Registrar.Begin(t.Context(), directory.SignIn{Source: "sso", Account: erin(), Label: label}); access.KindOf(err) != access.KindInvalid {
				t.Errorf("a label %q: %v", label, err)
			}
		}
	})
}

// A session ends when it is not used, when its time is up, when somebody ends it, and when its owner leaves.
func TestSessionsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*testing.T, *World, string, access.Session)
		ends bool
	}{
		"used now and then": {func(t *testing.T, w *World, token string, _ access.Session) {
			for range 11 {
				time.Sleep(59 * time.Minute)
				if _, err := w.Directory.Authenticate(t.Context(), token); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		"used all the time": {func(t *testing.T, w *World, token string, _ access.Session) {
			for range 12 * 2 {
				time.Sleep(30 * time.Minute)
				_, _ = w.Directory.Authenticate(t.Context(), token)
			}
		}, true},
		"not used": {func(*testing.T, *World, string, access.Session) { time.Sleep(time.Hour) }, true},
		"ended": {func(t *testing.T, w *World, token string, s access.Session) {
			c, err := w.Directory.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Registrar.SignOut(t.Context(), w.Who(Alice), s.ID); access.KindOf(err) != access.KindNotFound {
				t.Errorf("Alice ends Erin's session: %v", err)
			}
			if err := w.Registrar.SignOut(t.Context(), c.Principal, s.ID); err != nil {
				t.Error(err)
			}
		}, true},
		"everywhere": {func(t *testing.T, w *World, token string, _ access.Session) {
			c, err := w.Directory.Authenticate(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			other, _ := signIn(t, w)
			if n, err := w.Registrar.SignOutEverywhere(t.Context(), c.Principal); n != 2 || err != nil {
				t.Errorf("%d ended, %v", n, err)
			}
			refusedToken(t, w, "the other token", other)
		}, true},
		"gone":              {func(t *testing.T, w *World, _ string, s access.Session) { gone(t, w, s.Principal) }, true},
		"gone and returned": {func(t *testing.T, w *World, _ string, s access.Session) { gone(t, w, s.Principal); tell(t, w, erin()) }, true},
		"a group less":      {func(t *testing.T, w *World, _ string, _ access.Session) { tell(t, w, erin()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				token, s := signIn(t, w)
				c.end(t, w, token, s)
				if c.ends {
					refusedToken(t, w, "the token", token)
					return
				}
				if _, err := w.Directory.Authenticate(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Nobody collects sessions without end: the oldest gives way.
func TestSessionsAreBounded(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		first, s := signIn(t, w)
		for range 50 {
			time.Sleep(time.Second)
			signIn(t, w)
		}
		refusedToken(t, w, "the oldest token", first)
		p, err := w.Directory.Principal(t.Context(), s.Principal)
		if err != nil {
			t.Fatal(err)
		}
		sessions, _, err := w.Registrar.Sessions(t.Context(), p, store.Page{Limit: 100})
		if len(sessions) != 50 || err != nil {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}

func TestMakeToken(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		agent := access.PrincipalID{Issuer: access.StaticIssuer, Subject: AliceAgent}
		order := directory.TokenOrder{Principal: agent, Scopes: []access.Scope{access.ScopeRead}, For: 24 * time.Hour, Label: "nightly"}
		make := func(by string, change func(*directory.TokenOrder)) (string, access.Session, error) {
			o := order
			if change != nil {
				change(&o)
			}
			return w.Registrar.MakeToken(context.Background(), access.Caller{Principal: w.Who(by)}, o)
		}
		token, s, err := make(Alice, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.Directory.Authenticate(t.Context(), token)
		if err != nil || c.ID != agent || !c.Session.May(access.ScopeRead) || c.Session.May(access.ScopeRequest) || c.Session.IssuedBy != w.Who(Alice).ID {
			t.Errorf("the token: %+v, %v", c, err)
		}
		kinds, _ := entries(t, w, 0)
		if !slices.Equal(kinds, []string{"session.begun"}) {
			t.Errorf("entered: %v", kinds)
		}
		if _, _, err := make(Alice, func(o *directory.TokenOrder) { o.Principal = w.Who(Alice).ID }); err != nil {
			t.Errorf("her own: %v", err)
		}
		for name, c := range map[string]struct {
			by     string
			change func(*directory.TokenOrder)
			kind   access.Kind
		}{
			"another's agent":           {Bob, nil, access.KindDenied},
			"an administrator":          {Carol, nil, access.KindDenied},
			"the agent itself":          {AliceAgent, nil, access.KindDenied},
			"another human":             {Alice, func(o *directory.TokenOrder) { o.Principal = w.Who(Bob).ID }, access.KindDenied},
			"nobody":                    {Alice, func(o *directory.TokenOrder) { o.Principal.Subject = "nobody" }, access.KindDenied},
			"without scopes":            {Alice, func(o *directory.TokenOrder) { o.Scopes = nil }, access.KindInvalid},
			"a scope that is not there": {Alice, func(o *directory.TokenOrder) { o.Scopes = []access.Scope{"everything"} }, access.KindInvalid},
			"a scope twice":             {Alice, func(o *directory.TokenOrder) { o.Scopes = []access.Scope{"read", "read"} }, access.KindInvalid},
			"for ever":                  {Alice, func(o *directory.TokenOrder) { o.For = 91 * 24 * time.Hour }, access.KindInvalid},
			"for no time":               {Alice, func(o *directory.TokenOrder) { o.For = 0 }, access.KindInvalid},
			"without a label":           {Alice, func(o *directory.TokenOrder) { o.Label = "" }, access.KindInvalid},
		} {
			if _, _, err := make(c.by, c.change); access.KindOf(err) != c.kind || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		// It rests as long as it likes, and ends when it was said to.
		time.Sleep(24*time.Hour - time.Second)
		if _, err := w.Directory.Authenticate(t.Context(), token); err != nil {
			t.Errorf("a token that rested: %v", err)
		}
		time.Sleep(time.Second)
		refusedToken(t, w, "a token whose time is up", token)
		if s.Kind != access.SessionToken {
			t.Errorf("its session is a %s", s.Kind)
		}
	})
}

// Tokens whose time is up count no more, also where nobody signs in: that deletes them as well.
func TestTokensThatHaveEnded(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		by := access.Caller{Principal: w.Who(Alice)}
		order := directory.TokenOrder{Principal: by.ID, Scopes: []access.Scope{access.ScopeRead}, For: time.Minute, Label: "nightly"}
		for range 50 {
			if _, _, err := w.Registrar.MakeToken(t.Context(), by, order); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Registrar.MakeToken(t.Context(), by, order); access.KindOf(err) != access.KindExhausted {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Minute)
		if _, _, err := w.Registrar.MakeToken(t.Context(), by, order); err != nil {
			t.Errorf("when they have ended: %v", err)
		}
	})
}
