package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// testRotations: what is kept of the secret of a browser's session, as long as there is the session.
func testRotations(t *testing.T, s store.Store) {
	try := func(fn func(store.Sessions) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Sessions()) })
	}
	rotate := func(tenant access.TenantID, id access.SessionID, v store.Rotation) error {
		return try(func(r store.Sessions) error { return r.Rotate(tenant, id, v) })
	}
	want := func(what string, tenant access.TenantID, id access.SessionID, want store.Rotation) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Sessions().Rotation(tenant, id)
			if diff := cmp.Diff(want, got); diff != "" || (want == store.Rotation{}) != (access.KindOf(err) == access.KindNotFound) {
				t.Errorf("%s: %v (-want +got)\n%s", what, err, diff)
			}
			return nil
		})
	}
	browsers, program := newPending(acme, "se_1", "ada").Session, newPending(acme, "se_2", "ada").Session
	browsers.Kind = access.SessionBrowser
	for token, v := range map[string]access.Session{"browser": browsers, "program": program} {
		if err := try(func(r store.Sessions) error { return r.Begin(v, store.HashSecret(token)) }); err != nil {
			t.Fatal(err)
		}
	}
	first := store.Rotation{Secret: store.HashSecret("first"), At: at(1)}
	second := store.Rotation{Secret: store.HashSecret("second"), Before: first.Secret, At: at(2), Seen: true}

	want("before one is kept", acme, "se_1", store.Rotation{})
	for _, v := range []store.Rotation{first, second} {
		if err := rotate(acme, "se_1", v); err != nil {
			t.Fatal(err)
		}
		want("what was kept", acme, "se_1", v)
	}
	want("another tenant's", umbrella, "se_1", store.Rotation{})
	wantKind(t, "for another tenant", rotate(umbrella, "se_1", first), access.KindNotFound)
	wantKind(t, "for a program", rotate(acme, "se_2", first), access.KindNotFound)
	wantKind(t, "for nobody", rotate(acme, "se_3", first), access.KindNotFound)
	wantKind(t, "that was never made", rotate(acme, "se_1", store.Rotation{Secret: first.Secret}), access.KindInvalid)
	want("after what was refused", acme, "se_1", second)

	view(t, s, func(tx store.Tx) error { // which it is no part of
		got, err := tx.Sessions().ByToken(acme, store.HashSecret("browser"))
		if diff := cmp.Diff(browsers, got); diff != "" {
			t.Errorf("the session (-want +got):\n%s", diff)
		}
		return err
	})
	if err := try(func(r store.Sessions) error { return r.Delete(acme, "se_1") }); err != nil {
		t.Fatal(err)
	}
	want("after the end", acme, "se_1", store.Rotation{})
	wantKind(t, "after the end", rotate(acme, "se_1", first), access.KindNotFound)
}
