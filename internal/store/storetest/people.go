package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// newProfile has every field set.
func newProfile(tenant access.TenantID, id access.ProfileID, name string, groups ...string) access.Profile {
	return access.Profile{
		ProfileID: id, Tenant: tenant, ToldAt: at(3), GoneAt: at(4), UndecidedSince: at(5), Formerly: []access.PersonID{"before", "later"},
		Principal: access.Principal{
			ID: principal(name), Kind: access.Agent, Person: access.PersonID("person-" + name), Name: "Ms " + name, Groups: groups,
			Attributes: map[string]string{"db_user": name}, ActsFor: principal("human of " + name), Manager: principal("manager of " + name),
		},
	}
}

func testProfiles(t *testing.T, s store.Store) {
	ada, bo := newProfile(acme, "pr_1", "ada", "acme/eng", "acme/leads"), newProfile(acme, "pr_2", "bo/ops", "acme/eng")
	elsewhere := newProfile(umbrella, "pr_1", "ada", "acme/eng")
	put := func(v access.Profile) error {
		return s.Update(context.Background(), "told", func(tx store.Tx) error { return tx.Profiles().Put(v) })
	}
	want := func(what string, tenant access.TenantID, f store.ProfileFilter, want ...access.Profile) {
		t.Helper()
		slices.Reverse(want) // newest first
		view(t, s, func(tx store.Tx) error {
			got, next, err := tx.Profiles().List(tenant, f, store.Page{Limit: 10})
			if diff := cmp.Diff(want, got); diff != "" || next != "" {
				t.Errorf("%s (-want +got, next %q):\n%s", what, next, diff)
			}
			return err
		})
	}
	for _, v := range []*access.Profile{&bo, &ada, &elsewhere} {
		if err := put(*v); err != nil {
			t.Fatal(err)
		}
		v.Version = 1
	}
	want("all", acme, store.ProfileFilter{}, ada, bo)
	want("a group's", acme, store.ProfileFilter{Group: "acme/eng"}, ada, bo)
	want("another group's", acme, store.ProfileFilter{Group: "acme/leads"}, ada)
	want("a group's that nobody is in", acme, store.ProfileFilter{Group: "acme/Eng"})
	want("a source's", acme, store.ProfileFilter{Issuer: ada.ID.Issuer}, ada, bo)
	want("another source's", acme, store.ProfileFilter{Issuer: "elsewhere"})
	want("a person's", acme, store.ProfileFilter{Person: bo.Person}, bo)
	want("another tenant's", umbrella, store.ProfileFilter{Group: "acme/eng"}, elsewhere)

	// Each principal has one.
	again := newProfile(acme, "pr_3", "ada")
	wantKind(t, "a second profile", put(again), access.KindConflict)
	again = newProfile(acme, "pr_1", "cy")
	wantKind(t, "another's profile", put(again), access.KindConflict)
	again = ada
	again.ProfileID = "pr_9"
	wantKind(t, "a profile by another name", put(again), access.KindConflict)
	again = newProfile(acme, "pr_4", "nobody")
	again.Version = 1
	wantKind(t, "a profile that is not there", put(again), access.KindNotFound)
	again = newProfile(acme, "pr_5", "ghost")
	again.Kind = "ghost"
	wantKind(t, "of nobody's kind", put(again), access.KindInvalid)

	// What changed is found until it was decided, the longest first.
	bo.UndecidedSince = at(4)
	if err := put(bo); err != nil {
		t.Fatal(err)
	}
	bo.Version++
	undecided := func(limit int, want ...access.Profile) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Profiles().Undecided(acme, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("undecided (-want +got):\n%s", diff)
			}
			return err
		})
	}
	undecided(1, bo)
	undecided(9, bo, ada)
	bo.UndecidedSince = access.Profile{}.UndecidedSince
	if err := put(bo); err != nil {
		t.Fatal(err)
	}
	bo.Version++
	undecided(9, ada)

	// What is told replaces what was told.
	ada.Kind, ada.Person, ada.Name, ada.Groups, ada.Attributes = access.Human, "person-x", "", []string{"acme/admins", "acme/eng"}, nil
	ada.ActsFor, ada.ToldAt, ada.GoneAt = access.PrincipalID{}, at(7), access.Profile{}.GoneAt
	if err := put(ada); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "what was told before", put(ada), access.KindConflict)
	ada.Version++
	want("a group that was left", acme, store.ProfileFilter{Group: "acme/leads"})
	want("a group that was joined", acme, store.ProfileFilter{Group: "acme/admins"}, ada)
	want("the same group", acme, store.ProfileFilter{Group: "acme/eng"}, ada, bo)
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Profiles().Get(acme, ada.ID)
		if diff := cmp.Diff(ada, got); diff != "" {
			t.Errorf("what is told (-want +got):\n%s", diff)
		}
		return err
	})

	update(t, s, func(tx store.Tx) error { return tx.Profiles().Delete(acme, ada.ID) })
	want("without who is forgotten", acme, store.ProfileFilter{Group: "acme/eng"}, bo)
	want("another tenant's still", umbrella, store.ProfileFilter{}, elsewhere)
	err := s.Update(context.Background(), "test", func(tx store.Tx) error { return tx.Profiles().Delete(acme, ada.ID) })
	wantKind(t, "forgetting twice", err, access.KindNotFound)
	back := newProfile(acme, "pr_6", "ada")
	if err := put(back); err != nil {
		t.Errorf("who comes back: %v", err)
	}
}

func newPending(tenant access.TenantID, id access.SessionID, name string) store.Pending {
	return store.Pending{
		Session: access.Session{
			ID: id, Tenant: tenant, Kind: access.SessionSignIn, Principal: principal(name), Person: access.PersonID("person-" + name),
			Label: "curfew on laptop", ProviderSession: "session of " + name, Scopes: []access.Scope{access.ScopeRead, access.ScopeRequest}, IssuedBy: principal("issuer of " + name),
			CreatedAt: at(1), UsedAt: at(2), EndsAt: at(100),
		},
		Code: store.HashSecret("code of " + string(tenant) + string(id)), Challenge: strings.Repeat("c", 43), Until: at(10),
	}
}

func testSessions(t *testing.T, s store.Store) {
	tokenOf := func(p store.Pending) store.SecretHash { return store.HashSecret("token of " + string(p.ID)) }
	first, second, others := newPending(acme, "se_1", "ada"), newPending(acme, "se_2", "ada"), newPending(acme, "se_3", "bo")
	elsewhere := newPending(umbrella, "se_1", "ada")
	for _, p := range []store.Pending{first, second, others, elsewhere} {
		update(t, s, func(tx store.Tx) error { return tx.Sessions().Insert(p) })
	}
	try := func(fn func(store.Sessions) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Sessions()) })
	}
	byToken := func(tenant access.TenantID, hash store.SecretHash) (got access.Session, err error) {
		err = s.View(context.Background(), func(tx store.Tx) (err error) { got, err = tx.Sessions().ByToken(tenant, hash); return err })
		return got, err
	}
	byCode := func(tenant access.TenantID, hash store.SecretHash) (got store.Pending, err error) {
		err = s.View(context.Background(), func(tx store.Tx) (err error) { got, err = tx.Sessions().ByCode(tenant, hash); return err })
		return got, err
	}
	wantList := func(what string, want ...access.Session) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			for _, filter := range []store.SessionFilter{{Principal: principal("ada")}, {Person: "person-ada"}} {
				got, next, err := tx.Sessions().List(acme, filter, store.Page{Limit: 10})
				if diff := cmp.Diff(want, got); diff != "" || next != "" || err != nil {
					t.Errorf("%s of %+v (-want +got, next %q, %v):\n%s", what, filter, next, err, diff)
				}
			}
			return nil
		})
	}
	same := newPending(acme, "se_1", "cy")
	same.Code = store.HashSecret("another")
	wantKind(t, "a second session of that ID", try(func(r store.Sessions) error { return r.Insert(same) }), access.KindConflict)
	same = newPending(acme, "se_9", "cy")
	same.Code = first.Code
	wantKind(t, "a second session of that code", try(func(r store.Sessions) error { return r.Insert(same) }), access.KindConflict)

	// A code leads to one session, once, and to a token.
	if got, err := byCode(acme, first.Code); cmp.Diff(first, got) != "" || err != nil {
		t.Errorf("by its code: %v\n%s", err, cmp.Diff(first, got))
	}
	_, err := byCode(umbrella, first.Code)
	wantKind(t, "another tenant's code", err, access.KindNotFound)
	wantList("before anybody has a token")
	for _, p := range []store.Pending{first, second, others} {
		if err := try(func(r store.Sessions) error { return r.Issue(acme, p.ID, tokenOf(p)) }); err != nil {
			t.Fatal(err)
		}
	}
	_, err = byCode(acme, first.Code)
	wantKind(t, "a code that was used", err, access.KindNotFound)
	wantKind(t, "a second token", try(func(r store.Sessions) error { return r.Issue(acme, first.ID, store.HashSecret("mine")) }), access.KindConflict)
	if got, err := byToken(acme, tokenOf(first)); cmp.Diff(first.Session, got) != "" || err != nil {
		t.Errorf("by its token: %v\n%s", err, cmp.Diff(first.Session, got))
	}
	for what, hash := range map[string]store.SecretHash{"no token": {}, "a code as a token": second.Code, "an unknown token": store.HashSecret("mine")} {
		_, err := byToken(acme, hash)
		wantKind(t, what, err, access.KindNotFound)
	}
	_, err = byToken(umbrella, tokenOf(first))
	wantKind(t, "another tenant's token", err, access.KindNotFound)

	for _, id := range []access.SessionID{"se_4", first.ID} {
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Sessions().Get(acme, id)
			if id == first.ID && (err != nil || cmp.Diff(first.Session, got) != "") || id != first.ID && access.KindOf(err) != access.KindNotFound {
				t.Errorf("by the ID %s: %+v, %v", id, got, err)
			}
			return nil
		})
	}

	// Use moves on.
	for _, moment := range []int{5, 4} {
		if err := try(func(r store.Sessions) error { return r.Use(acme, first.ID, at(moment)) }); err != nil {
			t.Fatal(err)
		}
	}
	first.UsedAt = at(5)
	wantList("newest first", second.Session, first.Session)
	wantKind(t, "use of what is not there", try(func(r store.Sessions) error { return r.Use(acme, "se_0", at(5)) }), access.KindNotFound)

	// They end one by one, all of a person's, and by themselves.
	if err := try(func(r store.Sessions) error { return r.Delete(acme, second.ID) }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "ending twice", try(func(r store.Sessions) error { return r.Delete(acme, second.ID) }), access.KindNotFound)
	wantList("without the one that ended", first.Session)
	update(t, s, func(tx store.Tx) error { return tx.Sessions().Insert(newPending(acme, "se_4", "ada")) })
	err = try(func(r store.Sessions) error {
		n, err := r.DeleteOf(acme, first.Person)
		if n != 1 {
			t.Errorf("%d of a person's sessions have ended, want 1", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantList("without the person's")
	_, err = byCode(acme, store.HashSecret("code of acmese_4"))
	wantKind(t, "a code of who has left", err, access.KindNotFound)
	testSessionsEnd(t, s, others, tokenOf(others), elsewhere)
}

// testSessionsEnd: each of the three ways in which a session ends by itself.
func testSessionsEnd(t *testing.T, s store.Store, live store.Pending, token store.SecretHash, elsewhere store.Pending) {
	t.Helper()
	ended, idle, stale, fresh := newPending(acme, "se_5", "cy"), newPending(acme, "se_6", "cy"), newPending(acme, "se_7", "cy"), newPending(acme, "se_8", "cy")
	ended.EndsAt, ended.UsedAt, ended.Until = at(50), at(49), at(60)
	idle.UsedAt, idle.Until = at(30), at(60)
	stale.UsedAt, stale.Until = at(49), at(50)
	fresh.UsedAt, fresh.Until = at(49), at(51)
	update(t, s, func(tx store.Tx) error {
		for _, p := range []store.Pending{ended, idle, stale, fresh} {
			if err := tx.Sessions().Insert(p); err != nil {
				return err
			}
		}
		return tx.Sessions().Use(acme, live.ID, at(49))
	})
	// A token that somebody had made may rest, until its time is up.
	resting := idle.Session
	resting.ID, resting.Kind, resting.Scopes = "se_10", access.SessionToken, nil
	begin := func(v access.Session, token string) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return tx.Sessions().Begin(v, store.HashSecret(token)) })
	}
	if err := begin(resting, "resting"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a second session of that ID", begin(resting, "another"), access.KindConflict)
	again := resting
	again.ID = "se_11"
	wantKind(t, "a second session of that token", begin(again, "resting"), access.KindConflict)
	again.Kind = "ghost"
	wantKind(t, "a session of no kind", begin(again, "another"), access.KindInvalid)
	over := resting
	over.ID, over.EndsAt = "se_12", at(50)
	if err := begin(over, "over"); err != nil {
		t.Fatal(err)
	}
	// A browser's may not.
	left := idle.Session
	left.ID, left.Kind = "se_13", access.SessionBrowser
	if err := begin(left, "left"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 2, 1, 0} {
		update(t, s, func(tx store.Tx) error {
			n, err := tx.Sessions().DeleteEnded(acme, at(50), at(30), 2)
			if n != want {
				t.Errorf("%d have ended, want %d", n, want)
			}
			return err
		})
	}
	view(t, s, func(tx store.Tx) error {
		if _, err := tx.Sessions().ByCode(acme, fresh.Code); err != nil {
			t.Errorf("a code that is good has ended: %v", err)
		}
		if got, err := tx.Sessions().ByToken(acme, store.HashSecret("resting")); err != nil || cmp.Diff(resting, got) != "" {
			t.Errorf("a token that rests: %v\n%s", err, cmp.Diff(resting, got))
		}
		if _, err := tx.Sessions().ByToken(acme, token); err != nil {
			t.Errorf("a session that is used has ended: %v", err)
		}
		_, err := tx.Sessions().ByCode(umbrella, elsewhere.Code)
		return err
	})
}
