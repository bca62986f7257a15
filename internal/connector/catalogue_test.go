package connector_test

import (
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

func TestCatalogueIsReadOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTarget()
		clock := newHandClock()
		d := &counting{Driver: target.Driver(clock)}
		c := newConnector(d, clock.use)
		_, release := target.Inject(memory.Fault{
			Call: connector.CallDiscover, Moment: memory.BeforeEffect, Effect: memory.Hang,
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				k, err := c.Resources(t.Context())
				if err != nil || len(k.Resources) != 1 || k.Stale != nil {
					t.Errorf("catalogue %+v, error %v", k, err)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if d.discoveries != 1 {
			t.Errorf("twenty readers made %d discoveries, want 1", d.discoveries)
		}
		clock.move(59 * time.Second)
		_, _ = c.Resources(t.Context())
		if d.discoveries != 1 {
			t.Error("it was read again within a minute")
		}
		clock.move(time.Second)
		_, _ = c.Resources(t.Context())
		if d.discoveries != 2 {
			t.Error("it was not read again after a minute")
		}
	})
}

func TestStaleCatalogueIsKeptAndSaysSo(t *testing.T) {
	clock := newHandClock()
	target := newTarget()
	d := &counting{Driver: target.Driver(clock)}
	c := newConnector(d, clock.use)
	fail := memory.Fault{Call: connector.CallDiscover, Moment: memory.BeforeEffect, Effect: memory.Fail}
	_, disarm := target.Inject(fail)
	_, err := c.Resources(t.Context())
	wantKind(t, err, access.KindUnavailable)
	disarm()
	if _, err := c.Resources(t.Context()); err != nil {
		t.Fatalf("after a first attempt that failed: %v", err)
	}

	_, disarm = target.Inject(fail)
	clock.move(time.Minute)
	for range 3 {
		k, err := c.Resources(t.Context())
		if err != nil || len(k.Resources) != 1 {
			t.Errorf("the old catalogue is lost: %v", err)
		}
		wantKind(t, k.Stale, access.KindUnavailable)
	}
	if d.discoveries != 3 {
		t.Errorf("%d discoveries, want 3: a failure is not repeated at once", d.discoveries)
	}
	disarm()
	clock.move(5 * time.Second)
	if k, _ := c.Resources(t.Context()); k.Stale != nil {
		t.Errorf("still stale: %v", k.Stale)
	}
}

func TestResourceFindsWhatIsNew(t *testing.T) {
	clock := newHandClock()
	target := newTarget()
	d := &counting{Driver: target.Driver(clock)}
	c := newConnector(d, clock.use)
	if r, err := c.Resource(t.Context(), "orders"); err != nil || r.Labels["table"] != "orders" {
		t.Fatalf("resource %+v, error %v", r, err)
	}
	target.AddResource(access.Resource{Name: "users", Permissions: []string{"read"}})
	for range 3 {
		_, err := c.Resource(t.Context(), "users")
		wantKind(t, err, access.KindNotFound)
	}
	if d.discoveries != 1 {
		t.Errorf("%d discoveries within seconds, want 1", d.discoveries)
	}
	clock.move(5 * time.Second)
	if _, err := c.Resource(t.Context(), "users"); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestResolveOffersNearMisses(t *testing.T) {
	c := newConnector(newTarget().Driver(access.SystemClock{}))
	tests := []struct{ resource, permission, want string }{
		{"orders", "read", ""},
		{"Orders", "read", `Connector orders-db has no resource "Orders"; the nearest is "orders".`},
		{"ordes", "read", `Connector orders-db has no resource "ordes"; the nearest is "orders".`},
		{"invoices", "read", `Connector orders-db has no resource "invoices"; curfew list shows what there is.`},
		{"orders", "raed", `Connector orders-db has no permission on orders "raed"; the nearest is "read".`},
	}
	for _, tt := range tests {
		e := access.Entitlement{Connector: "orders-db", Resource: tt.resource, Permission: tt.permission}
		_, err := c.Resolve(t.Context(), e)
		got := ""
		if err != nil {
			wantKind(t, err, access.KindNotFound)
			got = access.SafeMessage(err)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", e, got, tt.want)
		}
	}
}

func TestCatalogueIsBounded(t *testing.T) {
	many := func(n int) func() iter.Seq2[access.Resource, error] {
		return func() iter.Seq2[access.Resource, error] {
			return func(yield func(access.Resource, error) bool) {
				for i := range n {
					if !yield(access.Resource{Name: fmt.Sprint(i), Permissions: []string{"read"}}, nil) {
						return
					}
				}
			}
		}
	}
	c := newConnector(&counting{discover: many(connector.MaxResources)})
	if k, err := c.Resources(t.Context()); err != nil || len(k.Resources) != connector.MaxResources {
		t.Errorf("%d resources, error %v", len(k.Resources), err)
	}
	c = newConnector(&counting{discover: many(connector.MaxResources + 1)})
	_, err := c.Resources(t.Context())
	wantKind(t, err, access.KindExhausted)
}

func TestCatalogueSkipsWhatCannotBeAskedFor(t *testing.T) {
	read := []string{"read"}
	discovered := []access.Resource{
		{Name: "good", Permissions: read},
		{Name: "good", Permissions: read},
		{Name: "", Permissions: read},
		{Name: "new\nline", Permissions: read},
		{Name: "turned\u202earound", Permissions: read},
		{Name: strings.Repeat("x", access.MaxResourceName+1), Permissions: read},
		{Name: "no permission"},
		{Name: "odd permission", Permissions: []string{"read", "re:ad"}},
		{Name: "many permissions", Permissions: make([]string, 1000)},
		{Name: "long label", Permissions: read, Labels: map[string]string{"k": strings.Repeat("v", 2000)}},
		{Name: "implies too much", Permissions: read, Implies: map[string]access.Implied{"read": {Rights: make([]string, access.MaxImplied+1)}}},
		{Name: "implies by nothing", Permissions: read, Implies: map[string]access.Implied{"write": {Rights: []string{"staff"}}}},
		{Name: "also good", Permissions: read, Implies: map[string]access.Implied{"read": {Rights: []string{"staff"}}}},
	}
	c := newConnector(&counting{discover: func() iter.Seq2[access.Resource, error] {
		return func(yield func(access.Resource, error) bool) {
			for _, r := range discovered {
				if !yield(r, nil) {
					return
				}
			}
		}
	}})
	k, err := c.Resources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Resources) != 2 || k.Resources[0].Name != "also good" || k.Resources[1].Name != "good" {
		t.Errorf("resources %v", k.Resources)
	}
	if want := len(discovered) - 2; k.Skipped != want {
		t.Errorf("%d skipped, want %d", k.Skipped, want)
	}
}
