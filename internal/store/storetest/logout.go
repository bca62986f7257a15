package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testSignIns: an identity provider ends what it has begun, and nothing else.
func testSignIns(t *testing.T, s store.Store) {
	tx := func(fn func(store.Sessions) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Sessions()) })
	}
	begin := func(tenant access.TenantID, id access.SessionID, change func(*access.Session)) access.Session {
		t.Helper()
		v := newPending(tenant, id, "ada").Session
		change(&v)
		if err := tx(func(r store.Sessions) error {
			return r.Begin(v, store.HashSecret("token of "+string(tenant)+string(id)))
		}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	source, subject := principal("ada").Issuer, principal("ada").Subject
	here := begin(acme, "se_1", func(s *access.Session) { s.ProviderSession = "here" })
	there := begin(acme, "se_2", func(s *access.Session) { s.ProviderSession = "there" })
	nowhere := begin(acme, "se_3", func(s *access.Session) { s.ProviderSession = "" })
	same := begin(acme, "se_4", func(s *access.Session) { s.ProviderSession, s.Principal.Subject = "here", "bo" })
	for id, change := range map[access.SessionID]func(*access.Session){
		"se_5": func(s *access.Session) { s.Principal.Issuer = "another" },
		"se_6": func(s *access.Session) { s.Kind = access.SessionToken },
		"se_7": func(s *access.Session) { s.Kind = access.SessionWorkload },
	} {
		begin(acme, id, func(s *access.Session) { s.ProviderSession = "here"; change(s) })
	}
	begin(umbrella, "se_1", func(s *access.Session) { s.ProviderSession = "here" })
	browsers := begin(acme, "se_9", func(s *access.Session) { s.Kind, s.ProviderSession = access.SessionBrowser, "here" })
	pending := newPending(acme, "se_8", "ada")
	pending.ProviderSession = "here"
	if err := tx(func(r store.Sessions) error { return r.Insert(pending) }); err != nil {
		t.Fatal(err)
	}

	wantKind(t, "nobody's", tx(func(r store.Sessions) error {
		_, err := r.DeleteSignIns(acme, store.SignIns{Source: source})
		return err
	}), access.KindInvalid)
	for _, c := range []struct {
		what string
		of   store.SignIns
		want []access.Session
	}{
		{"another source's", store.SignIns{Source: "none", Subject: subject, ProviderSession: "here"}, nil},
		{"another's in that session", store.SignIns{Source: source, Subject: "cy", ProviderSession: "here"}, nil},
		{"somebody's in that session", store.SignIns{Source: source, Subject: subject, ProviderSession: "here"}, []access.Session{browsers, here}},
		{"all in that session", store.SignIns{Source: source, ProviderSession: "here"}, []access.Session{same}},
		{"all of somebody", store.SignIns{Source: source, Subject: subject}, []access.Session{nowhere, there}},
		{"all of somebody, once more", store.SignIns{Source: source, Subject: subject}, nil},
	} {
		err := tx(func(r store.Sessions) error {
			got, err := r.DeleteSignIns(acme, c.of)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.what, diff)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Sessions().ByCode(acme, pending.Code)
		wantKind(t, "a code of that session", err, access.KindNotFound)
		for tenant, want := range map[access.TenantID]int{acme: 3, umbrella: 1} {
			left, _, err := tx.Sessions().List(tenant, store.SessionFilter{}, store.Page{Limit: 10})
			if len(left) != want || err != nil {
				t.Errorf("%d sessions of %s are left, %v, want %d", len(left), tenant, err, want)
			}
		}
		return nil
	})
}

// testSpentTokens: a token is spent once, for as long as it would be good.
func testSpentTokens(t *testing.T, s store.Store) {
	spend := func(tenant access.TenantID, token string) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error {
			return tx.SpentTokens().Spend(tenant, store.HashSecret(token), at(50))
		})
	}
	for _, tenant := range []access.TenantID{acme, umbrella} {
		for _, token := range []string{"one", "another"} {
			if err := spend(tenant, token); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantKind(t, "a token once more", spend(acme, "one"), access.KindConflict)
	spent := func(tenant access.TenantID, token string, want bool) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.SpentTokens().Spent(tenant, store.HashSecret(token))
			if got != want {
				t.Errorf("the token %s of %s is spent: %t", token, tenant, got)
			}
			return err
		})
	}
	spent(acme, "one", true)
	spent(acme, "a third", false)
	spent("nobody", "one", false)
	for _, c := range []struct{ moment, want int }{{49, 0}, {50, 1}, {50, 1}, {50, 0}} {
		update(t, s, func(tx store.Tx) error {
			n, err := tx.SpentTokens().DeleteEnded(acme, at(c.moment), 1)
			if n != c.want {
				t.Errorf("at %d %d are forgotten, want %d", c.moment, n, c.want)
			}
			return err
		})
	}
	spent(acme, "one", false)
	spent(umbrella, "one", true)
	if err := spend(acme, "one"); err != nil {
		t.Errorf("a token of that name, when the first is over: %v", err)
	}
	wantKind(t, "another tenant's, once more", spend(umbrella, "one"), access.KindConflict)
}
