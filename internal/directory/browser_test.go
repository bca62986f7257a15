package directory_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// beginBrowser signs Erin in with a browser that had a secret, or none.
func beginBrowser(t *testing.T, w *World, had string) (string, access.Session) {
	t.Helper()
	account := erin("payments")
	account.Session = "at the provider"
	secret, s, err := w.Registrar.BeginBrowser(t.Context(), directory.SignIn{Source: "sso", Account: account, Label: "Firefox on Linux"}, had)
	if err != nil {
		t.Fatal(err)
	}
	return secret, s
}

// browses is Browse that works, and returns what the browser has then.
func browses(t *testing.T, w *World, what, secret string) (now string) {
	t.Helper()
	c, next, err := w.Registrar.Browse(t.Context(), secret)
	if err != nil || c.Name != "Erin" || c.Session.Kind != access.SessionBrowser {
		t.Fatalf("%s: %+v, %v", what, c, err)
	}
	if next == "" {
		return secret
	}
	return next
}

func refusedBrowser(t *testing.T, w *World, what, secret, why string) {
	t.Helper()
	c, next, err := w.Registrar.Browse(t.Context(), secret)
	if access.KindOf(err) != access.KindUnauthenticated || !strings.Contains(access.SafeMessage(err), why) || next != "" || c.Session.ID != "" {
		t.Errorf("%s is %s, %v", what, c.ID, err)
	}
}

func TestBrowser(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		secret, s := beginBrowser(t, w, "")
		browses(t, w, "signed in", secret)
		if kinds, personal := entries(t, w, 0); !slices.Equal(kinds, []string{"principal.added", "session.begun"}) || personal["label"] != "Firefox on Linux" {
			t.Errorf("entered: %v %v", kinds, personal)
		}

		// No program's token is taken from a browser, and nothing of a browser's for a token.
		token, _ := signIn(t, w)
		part, _, _ := strings.Cut(secret, ".")
		for what, shown := range map[string]string{
			"a program's token": token, "no secret": "", "a token of the configuration": "erin-token", "the part that stays": part,
			"another's part that changes": part[:len(part)-1] + "x." + secret, "without end": strings.Repeat("cfb_.", 1<<16),
		} {
			refusedBrowser(t, w, what, shown, "Sign in again")
		}
		for what, shown := range map[string]string{"a browser's secret": secret, "a part of it": part, "made a token": directory.TokenPrefix + part} {
			refusedToken(t, w, what, shown)
		}
		browses(t, w, "after all that", secret)

		// Whoever signs in with the same browser ends what it had, and gets something else.
		again, second := beginBrowser(t, w, secret)
		if again == secret || second.ID == s.ID {
			t.Errorf("signed in once more: %s, %s", second.ID, s.ID)
		}
		refusedBrowser(t, w, "what the browser had", secret, "Sign in again")
		other, _ := beginBrowser(t, w, "cfb_unknown.secret")
		browses(t, w, "another browser", other)
		browses(t, w, "the browser", again)
	})
}

// A browser's session ends as every sign-in does, and at once.
func TestBrowserEnds(t *testing.T) {
	for what, ends := range map[string]func(*testing.T, *World, access.Caller){
		"signed out": func(t *testing.T, w *World, c access.Caller) {
			if err := w.Registrar.SignOut(t.Context(), c.Principal, c.Session.ID); err != nil {
				t.Fatal(err)
			}
		},
		"signed out everywhere": func(t *testing.T, w *World, c access.Caller) {
			if n, err := w.Registrar.SignOutEverywhere(t.Context(), c.Principal); n != 1 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		},
		"gone from the directory": func(t *testing.T, w *World, c access.Caller) { gone(t, w, c.ID) },
		"ended at the provider": func(t *testing.T, w *World, _ access.Caller) {
			told := identity.Ended{ID: "1", Session: "at the provider", Until: time.Now().Add(time.Minute)}
			if n, err := w.Registrar.EndedAtProvider(t.Context(), "sso", told); n != 1 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		},
		"not used": func(*testing.T, *World, access.Caller) { time.Sleep(time.Hour) },
		"as long as may be": func(t *testing.T, w *World, c access.Caller) {
			err := w.Store.Update(t.Context(), "test", func(tx store.Tx) error { // as if it were used all the time
				return tx.Sessions().Use(c.Session.Tenant, c.Session.ID, c.Session.EndsAt)
			})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Hour)
		},
	} {
		t.Run(what, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				secret, _ := beginBrowser(t, w, "")
				c, _, err := w.Registrar.Browse(t.Context(), secret)
				if err != nil {
					t.Fatal(err)
				}
				ends(t, w, c)
				refusedBrowser(t, w, what, secret, "Sign in again")
			})
		})
	}
}

// Limits of a browser's session are those of every sign-in: what is used goes on, until its time is up.
func TestBrowserInUse(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		secret, s := beginBrowser(t, w, "")
		rotated := 0
		for time.Now().Before(s.EndsAt) {
			now := browses(t, w, "in use", secret)
			if now != secret {
				rotated++
			}
			secret = now
			time.Sleep(50 * time.Minute)
		}
		if rotated < 10 {
			t.Errorf("in 12 hours its secret was replaced %d times", rotated)
		}
		refusedBrowser(t, w, "after its time", secret, "Sign in again")
	})
}

const (
	period = 15 * time.Minute
	grace  = 30 * time.Second
)

// A secret is replaced while it is used; the one before stays good for what is under way, and is refused when it comes later.
func TestBrowserRotation(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		first, s := beginBrowser(t, w, "")
		time.Sleep(period - time.Second)
		if now := browses(t, w, "before it is time", first); now != first {
			t.Fatal("the secret was replaced early")
		}
		time.Sleep(time.Second)
		second := browses(t, w, "when it is time", first)
		if second == first {
			t.Fatal("the secret was not replaced")
		}
		if now := browses(t, w, "the new one", second); now != second {
			t.Error("the new secret was replaced at once")
		}
		time.Sleep(grace - time.Second)
		if now := browses(t, w, "what was under way", first); now != first {
			t.Error("a request that was under way replaces the secret")
		}
		at := end(t, w)
		time.Sleep(time.Second)
		refusedBrowser(t, w, "the one before, later", first, "copied")
		refusedBrowser(t, w, "the one in force, after that", second, "Sign in again")
		page, err := w.Engine.Events(t.Context(), w.Who(Carol), engine.LogQuery{After: at, Limit: 10})
		if err != nil || len(page.Items) != 1 || page.Items[0].Kind != access.EventSessionEnded || page.Items[0].Detail["session"] != string(s.ID) || !strings.Contains(page.Items[0].Detail["why"], "copied") {
			t.Errorf("entered: %+v, %v", page.Items, err)
		}
	})
}

// Whoever has a copy of a cookie, the session ends when both have used it, whoever is first and however the other comes.
func TestBrowserCopied(t *testing.T) {
	for what, copied := range map[string]func(t *testing.T, w *World, secret string){
		"the owner is first": func(t *testing.T, w *World, secret string) {
			mine := browses(t, w, "the owner", browses(t, w, "the owner", secret))
			time.Sleep(grace)
			refusedBrowser(t, w, "the thief", secret, "copied")
			refusedBrowser(t, w, "the owner, then", mine, "Sign in again")
		},
		"the thief is first": func(t *testing.T, w *World, secret string) {
			theirs := browses(t, w, "the thief", browses(t, w, "the thief", secret))
			time.Sleep(grace)
			refusedBrowser(t, w, "the owner", secret, "copied")
			refusedBrowser(t, w, "the thief, then", theirs, "Sign in again")
		},
		"the thief waits for the owner's next": func(t *testing.T, w *World, secret string) {
			mine := browses(t, w, "the owner", secret) // who does nothing with it yet
			time.Sleep(grace)
			theirs := browses(t, w, "the thief", secret) // as if the answer had been lost
			refusedBrowser(t, w, "the owner", mine, "copied")
			refusedBrowser(t, w, "the thief, then", theirs, "Sign in again")
		},
		"a copy of long ago": func(t *testing.T, w *World, secret string) {
			mine := secret
			for range 3 {
				mine = browses(t, w, "the owner", browses(t, w, "the owner", mine))
				time.Sleep(period)
			}
			refusedBrowser(t, w, "the thief", secret, "copied")
			refusedBrowser(t, w, "the owner, then", mine, "Sign in again")
		},
		"half a copy": func(t *testing.T, w *World, secret string) {
			part, _, _ := strings.Cut(secret, ".")
			refusedBrowser(t, w, "the thief", part+".guessed", "copied")
			refusedBrowser(t, w, "the owner, then", secret, "Sign in again")
		},
	} {
		t.Run(what, func(t *testing.T) {
			house(t, func(t *testing.T, w *World) {
				secret, _ := beginBrowser(t, w, "")
				time.Sleep(period)
				copied(t, w, secret)
			})
		})
	}
}

// An answer that was lost, with the new secret in it, signs nobody out.
func TestBrowserLostAnswer(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		secret, _ := beginBrowser(t, w, "")
		for range 3 {
			time.Sleep(period)
			never := browses(t, w, "whose answer is lost", secret)
			if now := browses(t, w, "at once again", secret); now != secret {
				t.Error("a second answer brings another secret, while the first may be under way")
			}
			time.Sleep(grace)
			next := browses(t, w, "later", secret)
			if next == secret || next == never {
				t.Fatal("later nothing new comes")
			}
			secret = browses(t, w, "with what came", next)
		}
	})
}

// Of requests that come at once, on several nodes, one replaces the secret, and all are served.
func TestBrowserRotationRace(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		secret, _ := beginBrowser(t, w, "")
		here := func() *directory.Directory { return w.Directory }
		nodes := []*directory.Registrar{w.Registrar, directory.NewRegistrar(w.Node(), engine.UUIDs{}, access.DefaultTenant, here)}
		for round := range 5 {
			time.Sleep(period)
			var all sync.WaitGroup
			got := make([]string, 20)
			for i := range got {
				all.Go(func() {
					_, next, err := nodes[i%len(nodes)].Browse(t.Context(), secret)
					if err != nil {
						t.Errorf("round %d, request %d: %v", round, i, err)
					}
					got[i] = next
				})
			}
			all.Wait()
			slices.Sort(got)
			news := slices.Compact(got)
			if len(news) != 2 || news[0] != "" {
				t.Fatalf("round %d: %d secrets came", round, len(news)-1)
			}
			secret = news[1]
		}
		browses(t, w, "at last", secret)
	})
}

// A store that does not answer ends nothing.
func TestBrowserStoreAway(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		secret, _ := beginBrowser(t, w, "")
		time.Sleep(period)
		w.LoseStore(true)
		if _, _, err := w.Registrar.Browse(t.Context(), secret); access.KindOf(err) != access.KindUnavailable {
			t.Errorf("without the store: %v", err)
		}
		w.LoseStore(false)
		browses(t, w, "with it", secret)
	})
}
