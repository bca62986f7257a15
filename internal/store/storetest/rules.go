package storetest

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func testRules(t *testing.T, s store.Store) {
	want := func(what string, tenant access.TenantID, digest string) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Rules().Decided(tenant)
			if err != nil || got != digest {
				t.Errorf("%s: %q, %v; want %q", what, got, err, digest)
			}
			return nil
		})
	}
	set := func(digest string) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return tx.Rules().SetDecided(acme, digest) })
	}
	want("at first", acme, "")
	set("")
	want("forgotten before it was noted", acme, "")
	set("one")
	want("noted", acme, "one")
	set("two")
	want("noted again", acme, "two")
	want("of another tenant", umbrella, "")
	set("")
	want("forgotten", acme, "")
}
