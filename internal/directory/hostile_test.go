package directory_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/store"
)

// late are books before whose next transaction something else happens.
type late struct {
	directory.Books
	meanwhile func()
}

func (l late) Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error {
	l.meanwhile()
	return l.Books.Change(ctx, name, fn)
}

// What somebody has made at the moment at which they leave, or become another person, does not outlive it: a token that began just
// behind the end of all that they had would be good again when they are back, and no later end would find it.
func TestTokenMadeWhileLeaving(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *World, access.Principal){
		"gone":   func(t *testing.T, w *World, p access.Principal) { gone(t, w, p.ID) },
		"linked": func(t *testing.T, w *World, p access.Principal) { link(t, w, p) },
		"signed out": func(t *testing.T, w *World, p access.Principal) {
			if _, err := w.Registrar.SignOutEverywhere(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				begun, p := signedIn(t, w, "erin")
				by, err := w.Directory.Authenticate(t.Context(), begun)
				if err != nil {
					t.Fatal(err)
				}
				r := directory.NewRegistrar(late{w.Engine, func() { leave(t, w, p) }}, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return w.Directory })
				token, _, err := r.MakeToken(t.Context(), by, directory.TokenOrder{
					Principal: p.ID, Scopes: access.Scopes(), For: 24 * time.Hour, Label: "at the last moment",
				})
				if err == nil {
					a := erin("payments")
					a.Subject = "erin"
					tell(t, w, a) // they are back
					refusedToken(t, w, "a token that was made while they left", token)
				}
				if access.KindOf(err) != access.KindUnauthenticated {
					t.Errorf("made: %v", err)
				}
			})
		})
	}
}

func link(t *testing.T, w *World, p access.Principal) {
	t.Helper()
	_, frank := signedIn(t, w, "frank")
	if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), frank.ID, p.ID, "one human"); err != nil {
		t.Fatal(err)
	}
}

// A token that was made for a program makes none that may do more, or lives longer, and proves nobody's other account.
func TestTokensBeyondTheirMaker(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		made := func(by access.Caller, life time.Duration, scopes ...access.Scope) (access.Caller, error) {
			token, _, err := w.Registrar.MakeToken(t.Context(), by, directory.TokenOrder{Principal: by.ID, Scopes: scopes, For: life, Label: "x"})
			if err != nil {
				return access.Caller{}, err
			}
			return w.Directory.Authenticate(t.Context(), token)
		}
		program, err := made(access.Caller{Principal: w.Who(Alice)}, time.Hour, access.ScopeAdmin, access.ScopeRead)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := made(program, time.Hour, access.ScopeAdmin, access.ScopeReview); access.KindOf(err) != access.KindDenied {
			t.Errorf("it makes one of %v, %v", c.Session.Scopes, err)
		}
		if c, err := made(program, time.Hour+time.Second, access.ScopeRead); access.KindOf(err) != access.KindDenied {
			t.Errorf("it makes one until %s, %v", c.Session.EndsAt, err)
		}
		if _, err := made(program, time.Hour, access.ScopeRead); err != nil {
			t.Errorf("it makes none that is less: %v", err)
		}
		other, p := signedIn(t, w, "erin")
		if _, err := w.Registrar.LinkByProof(t.Context(), program, other); access.KindOf(err) != access.KindDenied {
			t.Errorf("it links its owner: %v", err)
		}
		if personOf(t, w, p.ID) == w.Who(Alice).Person {
			t.Error("they are one person")
		}
	})
}

// What acts for somebody signs itself out everywhere, and not its human, nor what else is theirs.
func TestAgentSignsOutEverywhere(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		token := func(id access.PrincipalID) string {
			token, _, err := w.Registrar.MakeToken(t.Context(), access.Caller{Principal: w.Who(Alice)}, directory.TokenOrder{
				Principal: id, Scopes: access.Scopes(), For: time.Hour, Label: "x",
			})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		hers, agents, more := token(w.Who(Alice).ID), token(w.Who(AliceAgent).ID), token(w.Who(AliceAgent).ID)
		if n, err := w.Registrar.SignOutEverywhere(t.Context(), w.Who(AliceAgent)); n != 2 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		if _, err := w.Directory.Authenticate(t.Context(), hers); err != nil {
			t.Errorf("its human: %v", err)
		}
		refusedToken(t, w, "the agent's token", agents)
		refusedToken(t, w, "its other token", more)
	})
}

// TestSourceIsNoMore: whoever is of a source that is not in force has no session, reviews nothing and is found by nobody.
func TestSourceIsNoMore(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		token, p := signedIn(t, w, "erin")
		for name, there := range map[string]bool{"sso": true, "corp": false} {
			d, err := directory.New(directory.Config{
				Store: w.Store, Tenant: access.DefaultTenant, Limits: directory.Limits{Idle: time.Hour, Lifetime: time.Hour}, Sources: []string{name},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Authenticate(t.Context(), token); (err == nil) != there || err != nil && access.KindOf(err) != access.KindUnauthenticated {
				t.Errorf("the session, under %s: %v", name, err)
			}
			if _, err := d.Principal(t.Context(), p.ID); (err == nil) != there || err != nil && access.KindOf(err) != access.KindNotFound {
				t.Errorf("the principal, under %s: %v", name, err)
			}
			for _, selector := range []string{"group:sso/payments", "principal:" + p.ID.String(), "kind:human"} {
				if members, err := d.Members(t.Context(), mustSelector(t, selector)); (len(members) == 1) != there || err != nil {
					t.Errorf("%s, under %s: %v, %v", selector, name, members, err)
				}
			}
		}
	})
}

// TestServiceChangesHands: a token that somebody had made for a service of theirs is no good when it is another's. Who has it now would
// neither see it nor be able to end it.
func TestServiceChangesHands(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		owned := func(by access.PersonID) *directory.Directory {
			d, err := directory.New(directory.Config{
				Store: w.Store, Tenant: access.DefaultTenant, Limits: directory.Limits{Idle: time.Hour, Lifetime: time.Hour},
				Entries: []directory.Entry{
					{Principal: w.Who(Alice)},
					{Principal: access.Principal{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "nightly"}, Kind: access.Service, Person: by}},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		before := owned(w.Who(Alice).Person)
		r := directory.NewRegistrar(w.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return before })
		token, s, err := r.MakeToken(t.Context(), access.Caller{Principal: w.Who(Alice)}, directory.TokenOrder{
			Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "nightly"}, Scopes: []access.Scope{access.ScopeRead}, For: time.Hour, Label: "x",
		})
		if err != nil {
			t.Fatal(err)
		}
		if c, err := before.Authenticate(t.Context(), token); err != nil || c.Session.ID != s.ID {
			t.Errorf("while it is Alice's: %v", err)
		}
		if _, err := owned(w.Who(Bob).Person).Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("when it is Bob's: %v", err)
		}
	})
}

// Who is another person by the moment at which they are linked, or has left, is not linked with who they were: nobody would be
// one person then, and told to be.
func TestLinkMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *World, access.Principal, access.Principal){
		"the one is linked": func(t *testing.T, w *World, one, _ access.Principal) { link(t, w, one) },
		"the one leaves":    func(t *testing.T, w *World, one, _ access.Principal) { gone(t, w, one.ID) },
		"the other leaves":  func(t *testing.T, w *World, _, other access.Principal) { gone(t, w, other.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				_, one := signedIn(t, w, "one")
				_, other := signedIn(t, w, "other")
				r := directory.NewRegistrar(late{w.Engine, func() { meanwhile(t, w, one, other) }}, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return w.Directory })
				if l, err := r.Link(t.Context(), w.Who(Carol), one.ID, other.ID, "one human"); access.KindOf(err) != access.KindConflict {
					t.Errorf("%+v, %v", l, err)
				}
			})
		})
	}
}

// A sign-in that has ended by the moment of the link proves no account: whoever has it may be why its owner has signed out everywhere.
func TestLinkByProofThatHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		whose func(one, other access.Principal) access.Principal
		want  access.Kind
	}{
		"the caller's": {func(one, _ access.Principal) access.Principal { return one }, access.KindUnauthenticated},
		"the proof":    {func(_, other access.Principal) access.Principal { return other }, access.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				begun, one := signedIn(t, w, "one")
				proof, other := signedIn(t, w, "other")
				by, err := w.Directory.Authenticate(t.Context(), begun)
				if err != nil {
					t.Fatal(err)
				}
				signOut := func() {
					if _, err := w.Registrar.SignOutEverywhere(t.Context(), c.whose(one, other)); err != nil {
						t.Fatal(err)
					}
				}
				r := directory.NewRegistrar(late{w.Engine, signOut}, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return w.Directory })
				if l, err := r.LinkByProof(t.Context(), by, proof); access.KindOf(err) != c.want {
					t.Errorf("%+v, %v", l, err)
				}
				if personOf(t, w, one.ID) == personOf(t, w, other.ID) {
					t.Error("they are one person")
				}
			})
		})
	}
}

// The session that proves an account ends with that, whichever of the two persons stays: nobody holds its token any more.
func TestTheProofOfALinkEnds(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		first, _ := signedIn(t, w, "erin")
		if _, err := w.Registrar.LinkByProof(t.Context(), access.Caller{Principal: w.Who(Alice)}, first); err != nil {
			t.Fatal(err)
		}
		proof, _ := signedIn(t, w, "erin") // who is Alice, whom the configuration lists
		begun, frank := signedIn(t, w, "frank")
		by, err := w.Directory.Authenticate(t.Context(), begun)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := w.Registrar.LinkByProof(t.Context(), by, proof); err != nil || !slices.Equal(l.Moved, []access.PrincipalID{frank.ID}) {
			t.Fatalf("%+v, %v", l, err)
		}
		refusedToken(t, w, "the proof", proof)
	})
}

// Linking two accounts and telling them apart ends sessions, and the log says how many.
func TestLinkingSaysWhatItEnds(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		_, one := signedIn(t, w, "one")
		_, other := signedIn(t, w, "other")
		signedIn(t, w, "other")
		if _, err := w.Registrar.Link(t.Context(), w.Who(Carol), one.ID, other.ID, "one human"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registrar.Unlink(t.Context(), w.Who(Carol), other.ID, "two after all"); err != nil {
			t.Fatal(err)
		}
		page, err := w.Engine.Events(t.Context(), w.Who(Carol), engine.LogQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		ended := map[access.EventKind]string{}
		for _, e := range page.Items {
			ended[e.Kind] = e.Detail["sessions"]
		}
		if ended[access.EventPersonLinked] != "2" || ended[access.EventPersonUnlinked] != "1" {
			t.Errorf("entered: %v", ended)
		}
	})
}

// A session that ends because its owner has as many as may be is entered as ended, like every other.
func TestTheOldestSessionEndsInTheLog(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		token, _ := signedIn(t, w, "erin")
		for range 49 {
			signedIn(t, w, "erin")
		}
		at := end(t, w)
		signedIn(t, w, "erin")
		refusedToken(t, w, "the oldest", token)
		if kinds, _ := entries(t, w, at); !slices.Equal(kinds, []string{"session.ended", "session.begun"}) {
			t.Errorf("entered: %v", kinds)
		}
		at = end(t, w)
		a := erin("payments")
		a.Subject = "erin"
		if _, _, err := w.Registrar.BeginBrowser(t.Context(), directory.SignIn{Source: "sso", Account: a, Label: "Firefox"}, ""); err != nil {
			t.Fatal(err)
		}
		if kinds, _ := entries(t, w, at); !slices.Equal(kinds, []string{"session.ended", "session.begun"}) {
			t.Errorf("of a browser: %v", kinds)
		}
	})
}
