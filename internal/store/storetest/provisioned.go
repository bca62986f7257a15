package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func sourceOf(tenant access.TenantID, name string) store.Source {
	return store.Source{Tenant: tenant, Name: name}
}

// newResource has every field set.
func newResource(source store.Source, kind store.ProvisionedKind, id, name string) store.ProvisionedResource {
	return store.ProvisionedResource{
		Source: source, Kind: kind, ID: id, Name: name, Key: strings.ToLower(name), ExternalID: "ext of " + name,
		Document: []byte(`{"called":"` + name + `"}`), CreatedAt: at(1), ChangedAt: at(2),
	}
}

// provision writes new resources.
func provision(t testing.TB, s store.Store, list ...store.ProvisionedResource) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, v := range list {
			if err := tx.Provisioned().Put(v); err != nil {
				return err
			}
		}
		return nil
	})
}

func testProvisioned(t *testing.T, s store.Store) {
	okta := sourceOf(acme, "okta")
	ada, bo := newResource(okta, store.ProvisionedUser, "us_1", "Ada"), newResource(okta, store.ProvisionedUser, "us_2", "bo")
	eng := newResource(okta, store.ProvisionedGroup, "gp_1", "Ada")
	elsewhere := []store.ProvisionedResource{
		newResource(sourceOf(acme, "entra"), store.ProvisionedUser, "us_1", "ada"),
		newResource(sourceOf(umbrella, "okta"), store.ProvisionedUser, "us_1", "ada"),
	}
	provision(t, s, append(elsewhere, ada, bo, eng)...)
	ada.Version, bo.Version, eng.Version = 1, 1, 1
	put := func(v store.ProvisionedResource) error {
		return s.Update(context.Background(), "put", func(tx store.Tx) error { return tx.Provisioned().Put(v) })
	}
	want := func(what string, kind store.ProvisionedKind, f store.ProvisionedFilter, at store.Stretch, total int, want ...store.ProvisionedResource) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			at.Limit = max(at.Limit, 1)
			got, err := tx.Provisioned().List(okta, kind, f, at)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			n, countErr := tx.Provisioned().Count(okta, kind, f)
			if n != total || countErr != nil {
				t.Errorf("%s are %d, %v; want %d", what, n, countErr, total)
			}
			return err
		})
	}
	all := store.Stretch{Limit: 10}
	want("users", store.ProvisionedUser, store.ProvisionedFilter{}, all, 2, ada, bo)
	want("the first user", store.ProvisionedUser, store.ProvisionedFilter{}, store.Stretch{}, 2, ada)
	want("the second user", store.ProvisionedUser, store.ProvisionedFilter{}, store.Stretch{Skip: 1, Limit: 5}, 2, bo)
	want("users behind the first", store.ProvisionedUser, store.ProvisionedFilter{}, store.Stretch{After: "us_1", Limit: 5}, 2, bo)
	want("groups", store.ProvisionedGroup, store.ProvisionedFilter{}, all, 1, eng)
	want("by key", store.ProvisionedUser, store.ProvisionedFilter{Key: "ada"}, all, 1, ada)
	want("by a key of another case", store.ProvisionedUser, store.ProvisionedFilter{Key: "Ada"}, all, 0)
	want("by external ID", store.ProvisionedUser, store.ProvisionedFilter{ExternalID: "ext of bo"}, all, 1, bo)
	want("by ID", store.ProvisionedUser, store.ProvisionedFilter{ID: "us_2"}, all, 1, bo)
	want("a user by a group's ID", store.ProvisionedUser, store.ProvisionedFilter{ID: "gp_1"}, all, 0)

	// What is there already, and what has moved on.
	wantKind(t, "a second user of a key", put(newResource(okta, store.ProvisionedUser, "us_3", "ADA")), access.KindConflict)
	wantKind(t, "a second user of an ID", put(newResource(okta, store.ProvisionedUser, "us_1", "cy")), access.KindConflict)
	wantKind(t, "a group of a user's ID", put(newResource(okta, store.ProvisionedGroup, "us_1", "cy")), access.KindConflict)
	wantKind(t, "nobody's name", put(newResource(okta, store.ProvisionedUser, "us_3", "")), access.KindInvalid)
	renamed := bo
	renamed.Key = "ada"
	wantKind(t, "a name that is taken", put(renamed), access.KindConflict)
	ghost := newResource(okta, store.ProvisionedUser, "us_9", "ghost")
	ghost.Version = 1
	wantKind(t, "a user who is not there", put(ghost), access.KindNotFound)
	bo.Name, bo.Key, bo.ExternalID, bo.Document, bo.ChangedAt, bo.CreatedAt = "Bob", "bob", "", []byte(`{}`), at(9), at(8)
	if err := put(bo); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a version that has moved on", put(bo), access.KindConflict)
	bo.Version, bo.CreatedAt = 2, at(1)
	want("what was changed", store.ProvisionedUser, store.ProvisionedFilter{Key: "bob"}, all, 1, bo)

	remove := func(kind store.ProvisionedKind, id string) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return tx.Provisioned().Delete(okta, kind, id) })
	}
	wantKind(t, "deleting a group as a user", remove(store.ProvisionedUser, "gp_1"), access.KindNotFound)
	if err := remove(store.ProvisionedUser, "us_1"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "deleting twice", remove(store.ProvisionedUser, "us_1"), access.KindNotFound)
	want("without who was deleted", store.ProvisionedUser, store.ProvisionedFilter{}, all, 1, bo)
	view(t, s, func(tx store.Tx) error {
		for _, v := range elsewhere {
			if _, err := tx.Provisioned().Get(v.Source, v.Kind, v.ID); err != nil {
				t.Errorf("%s of %s has gone: %v", v.ID, v.Source, err)
			}
		}
		return nil
	})
}

// staff writes n users, us_00000 and on, and two groups.
func staff(t testing.TB, s store.Store, source store.Source, n int) (users []string) {
	t.Helper()
	list := []store.ProvisionedResource{
		newResource(source, store.ProvisionedGroup, "gp_1", "Engineering"), newResource(source, store.ProvisionedGroup, "gp_2", "Leads"),
	}
	for i := range n {
		users = append(users, fmt.Sprintf("us_%05d", i))
		list = append(list, newResource(source, store.ProvisionedUser, users[i], users[i]))
	}
	provision(t, s, list...)
	return users
}

func testMemberships(t *testing.T, s store.Store) {
	okta := sourceOf(acme, "okta")
	users := staff(t, s, okta, 5)
	staff(t, s, sourceOf(umbrella, "okta"), 5)
	// change wants what fn changes to be n.
	change := func(what string, n int, fn func(store.Memberships) (int, error)) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			got, err := fn(tx.Memberships())
			if got != n {
				t.Errorf("%s changes %d, want %d", what, got, n)
			}
			return err
		})
	}
	members := func(what, group, after string, limit int, want ...string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Memberships().Members(okta, group, after, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			return err
		})
	}
	change("joining", 4, func(m store.Memberships) (int, error) { return m.Add(okta, "gp_1", append(users[:4:4], users[0])) })
	change("joining again", 1, func(m store.Memberships) (int, error) { return m.Add(okta, "gp_1", users) })
	change("leading", 1, func(m store.Memberships) (int, error) { return m.Add(okta, "gp_2", users[1:2]) })
	change("nobody", 0, func(m store.Memberships) (int, error) { return m.Add(okta, "gp_2", nil) })
	change("leaving", 2, func(m store.Memberships) (int, error) {
		return m.Remove(okta, "gp_1", []string{users[0], users[2], "us_9", users[0]})
	})
	change("leaving again", 0, func(m store.Memberships) (int, error) { return m.Remove(okta, "gp_1", users[:1]) })
	members("members", "gp_1", "", 10, users[1], users[3], users[4])
	members("members behind one", "gp_1", users[1], 1, users[3])
	for what, fn := range map[string]func(store.Memberships) (int, error){
		"a stranger":       func(m store.Memberships) (int, error) { return m.Add(okta, "gp_1", []string{users[0], "us_9"}) },
		"a group":          func(m store.Memberships) (int, error) { return m.Add(okta, "gp_1", []string{"gp_2"}) },
		"no group":         func(m store.Memberships) (int, error) { return m.Add(okta, "gp_9", users) },
		"another's source": func(m store.Memberships) (int, error) { return m.Add(sourceOf(acme, "entra"), "gp_1", users) },
	} {
		update(t, s, func(tx store.Tx) error { // it ends no transaction
			_, err := fn(tx.Memberships())
			wantKind(t, what, err, access.KindNotFound)
			return nil
		})
	}
	members("members as before", "gp_1", "", 10, users[1], users[3], users[4])
	_, err := func() (n int, err error) {
		return 0, s.Update(context.Background(), "many", func(tx store.Tx) error {
			_, err := tx.Memberships().Remove(okta, "gp_1", make([]string, store.MaxMembers+1))
			return err
		})
	}()
	wantKind(t, "too many at once", err, access.KindInvalid)
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Memberships().GroupsOf(okta, users[0], users[1], users[3])
		both := []store.GroupName{{ID: "gp_1", Name: "Engineering"}, {ID: "gp_2", Name: "Leads"}}
		if diff := cmp.Diff(map[string][]store.GroupName{users[1]: both, users[3]: both[:1]}, got); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
		if n, err := tx.Memberships().Count(okta, "gp_1"); n != 3 || err != nil {
			t.Errorf("%d members, %v", n, err)
		}
		of, listErr := tx.Provisioned().List(okta, store.ProvisionedGroup, store.ProvisionedFilter{Member: users[1]}, store.Stretch{Limit: 5})
		if len(of) != 2 || listErr != nil {
			t.Errorf("in %d groups, %v", len(of), listErr)
		}
		return err
	})
	// Who and what is deleted takes its memberships along.
	update(t, s, func(tx store.Tx) error { return tx.Provisioned().Delete(okta, store.ProvisionedUser, users[1]) })
	members("without who was deleted", "gp_1", "", 10, users[3], users[4])
	members("without the only one", "gp_2", "", 10)
	update(t, s, func(tx store.Tx) error { return tx.Provisioned().Delete(okta, store.ProvisionedGroup, "gp_1") })
	members("of what was deleted", "gp_1", "", 10)
}

func testStaleUsers(t *testing.T, s store.Store) {
	okta := sourceOf(acme, "okta")
	users := staff(t, s, okta, 5)
	add := func(less bool, users ...string) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return tx.StaleUsers().Add(okta, less, users) })
	}
	next := func(what string, limit int, want ...store.Stale) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.StaleUsers().Next(okta, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			return err
		})
	}
	is := func(user int, less bool) store.Stale { return store.Stale{Source: okta, User: users[user], Less: less} }
	add(false, users[3], users[3])
	add(false, users[0], users[1])
	next("who has waited longest", 2, is(3, false), is(0, false))
	add(true, users[1])
	add(false, users[1])
	next("who loses something", 10, is(1, true), is(3, false), is(0, false))
	update(t, s, func(tx store.Tx) error {
		if _, err := tx.Memberships().Add(okta, "gp_1", []string{users[0], users[4]}); err != nil {
			return err
		}
		return tx.StaleUsers().AddMembers(okta, "gp_1")
	})
	next("a group's members", 10, is(0, true), is(1, true), is(4, true), is(3, false))
	update(t, s, func(tx store.Tx) error {
		for range 2 {
			if err := tx.StaleUsers().Remove(okta, users[1]); err != nil {
				return err
			}
		}
		return tx.Provisioned().Delete(okta, store.ProvisionedUser, users[0])
	})
	next("who is left", 10, is(4, true), is(3, false))
	add(true, "us_9", "gp_1")
	next("without a stranger and a group", 10, is(4, true), is(3, false))
	view(t, s, func(tx store.Tx) error {
		got, err := tx.StaleUsers().Next(sourceOf(acme, "entra"), 10)
		if len(got) > 0 {
			t.Errorf("another source has %v", got)
		}
		return err
	})
}
