package directory_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// trusting is a directory with a service, and rules of that service's.
func trusting(t *testing.T, w *World, rules ...string) *directory.Directory {
	t.Helper()
	c := directory.Config{
		Store: w.Store, Tenant: access.DefaultTenant, Limits: directory.Limits{Idle: time.Minute, Lifetime: time.Hour}, Workloads: map[string]access.PrincipalID{},
		Entries: []directory.Entry{entry("deployer", "", access.Service), entry("other", "", access.Service)},
	}
	for _, r := range rules {
		c.Workloads[r] = deployer().Principal
	}
	d, err := directory.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func deployer() identity.Workload {
	return identity.Workload{
		Rule: "deploy", Principal: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "deployer"}, Scopes: []access.Scope{access.ScopeRequest},
		Lifetime: 15 * time.Minute, Issuer: "https://issuer.example", Subject: "repo:acme/orders:environment:production", TokenID: "jti-1",
		Claims: map[string]string{"repository_id": "74", "environment": "production"},
	}
}

func TestWorkloadSession(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		d := trusting(t, w, "deploy")
		r := directory.NewRegistrar(w.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return d })
		token, s, err := r.BeginWorkload(t.Context(), deployer())
		if err != nil {
			t.Fatal(err)
		}
		c, err := d.Authenticate(t.Context(), token)
		if err != nil || c.ID.Subject != "deployer" || c.Session.ID != s.ID || !c.Session.May(access.ScopeRequest) || c.Session.May(access.ScopeRead) {
			t.Errorf("it is %+v, %v", c, err)
		}
		page, err := w.Engine.Events(t.Context(), w.Who(Carol), engine.LogQuery{Limit: 10})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("entered: %+v, %v", page.Items, err)
		}
		detail, personal := page.Items[0].Detail, page.Items[0].Personal
		if detail["rule"] != "deploy" || detail["issuer"] != "https://issuer.example" || detail["session_kind"] != "workload" {
			t.Errorf("entered: %v", detail)
		}
		want := map[string]string{
			"workload": "repo:acme/orders:environment:production", "claims": "environment=production repository_id=74", "token_id": "jti-1",
			"label": "repo:acme/orders:environment:production",
		}
		if diff := cmp.Diff(want, personal); diff != "" {
			t.Errorf("entered (-want +got):\n%s", diff)
		}

		// It is not idle between two steps of a job. What ends it is its time, and its rule.
		time.Sleep(14 * time.Minute)
		if _, err := d.Authenticate(t.Context(), token); err != nil {
			t.Errorf("unused for a while: %v", err)
		}
		for name, other := range map[string]*directory.Directory{
			"without its rule": trusting(t, w, "another"), "with its rule for another service": elsewhere(t, w),
		} {
			if c, err := other.Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated {
				t.Errorf("%s: %+v, %v", name, c, err)
			}
		}
		time.Sleep(time.Minute)
		if c, err := d.Authenticate(t.Context(), token); access.KindOf(err) != access.KindUnauthenticated {
			t.Errorf("when its time is up: %+v, %v", c, err)
		}
	})
}

// elsewhere is a directory whose rule of that name is another service's.
func elsewhere(t *testing.T, w *World) *directory.Directory {
	t.Helper()
	d, err := directory.New(directory.Config{
		Store: w.Store, Tenant: access.DefaultTenant, Entries: []directory.Entry{entry("deployer", "", access.Service), entry("other", "", access.Service)},
		Workloads: map[string]access.PrincipalID{"deploy": {Issuer: access.StaticIssuer, Subject: "other"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A large build has many jobs; none of them loses its session to another, and there is an end to how many there are.
func TestWorkloadsAreBounded(t *testing.T) {
	house(t, func(t *testing.T, w *World) {
		d := trusting(t, w, "deploy")
		r := directory.NewRegistrar(w.Engine, engine.UUIDs{}, access.DefaultTenant, func() *directory.Directory { return d })
		var tokens []string
		for range 500 {
			token, _, err := r.BeginWorkload(t.Context(), deployer())
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		if _, _, err := r.BeginWorkload(t.Context(), deployer()); access.KindOf(err) != access.KindExhausted {
			t.Errorf("one more: %v", err)
		}
		if slices.ContainsFunc(tokens, func(token string) bool { _, err := d.Authenticate(t.Context(), token); return err != nil }) {
			t.Error("one has lost its session")
		}
		time.Sleep(15 * time.Minute)
		for range 5 { // each deletes a hundred that have ended
			_, _, _ = r.BeginWorkload(t.Context(), deployer())
		}
		if _, _, err := r.BeginWorkload(t.Context(), deployer()); err != nil {
			t.Errorf("when they have ended: %v", err)
		}
		sessions, _, err := r.Sessions(t.Context(), access.Principal{ID: deployer().Principal, Kind: access.Service}, store.Page{Limit: 1000})
		if err != nil || len(sessions) > 500 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}
