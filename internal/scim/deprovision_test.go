package scim_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/store"
)

// TestLeaving: each way in which an identity provider takes somebody away, or out of the group by which they have access, ends
// what they have, at the target. All of their sessions end in the transaction of the call, where they leave altogether.
func TestLeaving(t *testing.T) {
	for name, c := range map[string]struct {
		method, address, body string
		status                int
		stays                 bool
	}{
		"Okta deactivates":       {"PATCH", "/Users/USER", patch(`{"op":"replace","value":{"active":false}}`), http.StatusOK, false},
		"Entra deactivates":      {"PATCH", "/Users/USER", patch(`{"op":"Replace","path":"active","value":"False"}`), http.StatusOK, false},
		"a PUT deactivates":      {"PUT", "/Users/USER", `{"userName":"ada","active":false}`, http.StatusOK, false},
		"active is removed":      {"PATCH", "/Users/USER", patch(`{"op":"remove","path":"active"}`), http.StatusOK, false},
		"deleted":                {"DELETE", "/Users/USER", "", http.StatusNoContent, false},
		"out of the group":       {"PATCH", "/Groups/GROUP", patch(`{"op":"remove","path":"members[value eq \"USER\"]"}`), http.StatusNoContent, true},
		"the group is emptied":   {"PUT", "/Groups/GROUP", `{"displayName":"engineering"}`, http.StatusOK, true},
		"the group is renamed":   {"PATCH", "/Groups/GROUP", patch(`{"op":"replace","path":"displayName","value":"Engineering"}`), http.StatusNoContent, true},
		"the group is deleted":   {"DELETE", "/Groups/GROUP", "", http.StatusNoContent, true},
		"an attribute they need": {"PATCH", "/Users/USER", patch(`{"op":"remove","path":"title"}`), http.StatusOK, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, o := company(t)
			user := o.must(http.StatusCreated, "POST", "/Users", `{"userName":"ada","title":"Engineer"}`).id()
			group := o.must(http.StatusCreated, "POST", "/Groups", fmt.Sprintf(`{"displayName":"engineering","members":[{"value":%q}]}`, user)).id()
			ada := o.profile(user).Principal
			grant := obtain(t, w, ada)
			signIn(t, w, ada)

			names := strings.NewReplacer("USER", user, "GROUP", group)
			o.must(c.status, c.method, names.Replace(c.address), names.Replace(c.body))
			if n := sessions(t, w, ada); (n == 1) != c.stays {
				t.Errorf("%d sessions go on", n)
			}
			again(t, w.Engine.ReconsiderPeople)
			w.Settle(w.Engine)
			enginetest.WantEnd(t, w.Grant(t, grant), access.EndIneligible, "")
		})
	}
}

// company is a company with a source of people, in which engineers may read.
func company(t *testing.T) (*enginetest.World, *office) {
	t.Helper()
	w := enginetest.New(t, enginetest.WithPolicies(policy.Policy{
		Name: "engineers", Effect: policy.EffectAllow, Who: []string{"group:okta/engineering"}, What: []string{enginetest.Read},
		When: `principal.attributes.title == "Engineer"`, MaxDuration: time.Hour, Auto: true,
	}))
	src, err := scim.NewSource(tenant, scim.SourceConfig{Name: "okta", Token: token, Attributes: map[string]string{"title": "title"}})
	if err != nil {
		t.Fatal(err)
	}
	server := scim.New(scim.Config{
		Store: w.Store, Books: w.Engine, Registrar: w.Registrar, IDs: engine.UUIDs{}, Clock: access.SystemClock{}, Tenant: tenant,
		Sources: func() []*scim.Source { return []*scim.Source{src} }, URL: base, Log: slog.New(slog.DiscardHandler),
	})
	return w, &office{t: t, server: server, token: token, ledger: &ledger{Store: w.Store}}
}

// again does what says whether there is more to do.
func again(t *testing.T, do func(context.Context) (bool, error)) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// What a source has written of somebody goes when they are forgotten, and nobody else's.
func TestForgotten(t *testing.T) {
	w, o := company(t)
	ada, bo := o.user("ada"), o.user("bo")
	group := o.group("engineering", ada, bo)
	_, err := w.Engine.Forget(t.Context(), w.Who(enginetest.Carol), engine.ForgetOrder{Person: o.profile(ada).Person}, "a request of today")
	if err != nil {
		t.Fatal(err)
	}
	again(t, func(ctx context.Context) (bool, error) {
		if _, err := w.Engine.Sequence(ctx, "test"); err != nil {
			return false, err
		}
		return w.Engine.Erase(ctx)
	})
	o.wantError(o.call("GET", "/Users/"+ada, nil), http.StatusNotFound, "")
	got := o.must(http.StatusOK, "GET", "/Groups/"+group, nil)
	if members := got.at("members").([]any); len(members) != 1 || got.at("members", 0, "value") != bo {
		t.Errorf("the group is %s", got.text)
	}
}

func obtain(t *testing.T, w *enginetest.World, who access.Principal) access.GrantID {
	t.Helper()
	r, err := w.Engine.Submit(t.Context(), who, engine.Submission{
		Entitlements: []access.Entitlement{enginetest.Entitlement(enginetest.Read)}, Duration: time.Hour, Reason: "order 17",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Settle(w.Engine)
	v, err := w.Engine.Request(t.Context(), who, r.ID)
	if err != nil || len(v.Grants) != 1 || v.Grants[0].State != access.GrantActive {
		t.Fatalf("%v, %v", v, err)
	}
	return v.Grants[0].ID
}

func signIn(t *testing.T, w *enginetest.World, who access.Principal) {
	t.Helper()
	now := time.Now()
	err := w.Store.Update(t.Context(), "test", func(tx store.Tx) error {
		err := tx.Sessions().Insert(store.Pending{
			Session: access.Session{ID: "se_1", Tenant: tenant, Kind: access.SessionSignIn, Principal: who.ID, Person: who.Person, CreatedAt: now, UsedAt: now, EndsAt: now.Add(time.Hour)},
			Code:    store.HashSecret("code"), Until: now.Add(time.Minute),
		})
		if err != nil {
			return err
		}
		return tx.Sessions().Issue(tenant, "se_1", store.HashSecret("token"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sessions(t *testing.T, w *enginetest.World, who access.Principal) int {
	t.Helper()
	var list []access.Session
	err := w.Store.View(context.Background(), func(tx store.Tx) (err error) {
		list, _, err = tx.Sessions().List(tenant, store.SessionFilter{Principal: who.ID}, store.Page{Limit: 10})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
