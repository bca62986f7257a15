package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func newConfiguration(tenant access.TenantID, state store.ConfigurationState, digest string) store.Configuration {
	return store.Configuration{Tenant: tenant, State: state, Digest: digest, Since: at(7)}
}

func newConfigurationApproval(digest, by string, second int) store.ConfigurationApproval {
	return store.ConfigurationApproval{
		Tenant: acme, Digest: digest, By: principal(by), Person: access.PersonID("person-" + by), At: at(second),
	}
}

// fillConfigurations writes a version in force, and one that waits and was approved once.
func fillConfigurations(tx store.Tx) error {
	for _, v := range []store.Configuration{
		newConfiguration(acme, store.ConfigurationInForce, "sha256-one"), newConfiguration(acme, store.ConfigurationWaiting, "sha256-two"),
	} {
		if err := tx.Configurations().Put(v, sealedBy(1, []byte("the text of "+v.Digest))); err != nil {
			return err
		}
	}
	return tx.Configurations().Approve(newConfigurationApproval("sha256-two", "bo", 8))
}

func testConfigurations(t *testing.T, s store.Store) {
	get := func(state store.ConfigurationState) (v store.Configuration, text string, err error) {
		err = s.View(t.Context(), func(tx store.Tx) error {
			if v, err = tx.Configurations().Get(acme, state); err != nil {
				return err
			}
			sealed, err := tx.Configurations().Text(acme, state)
			if sealed.State != state || sealed.Digest != v.Digest {
				t.Errorf("the text of %s is that of %s", v.Digest, sealed.Digest)
			}
			text = string(sealed.Bytes)
			return err
		})
		return v, text, err
	}
	for _, state := range []store.ConfigurationState{store.ConfigurationInForce, store.ConfigurationWaiting} {
		_, _, err := get(state)
		wantKind(t, "the version "+string(state)+" of none", err, access.KindNotFound)
	}
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 1), newKey(umbrella, 1)) })
	update(t, s, fillConfigurations)
	for state, want := range map[store.ConfigurationState]string{store.ConfigurationInForce: "sha256-one", store.ConfigurationWaiting: "sha256-two"} {
		v, text, err := get(state)
		if diff := cmp.Diff(newConfiguration(acme, state, want), v); err != nil || diff != "" || text != "the text of "+want {
			t.Errorf("the version %s: %v, %q\n%s", state, err, text, diff)
		}
	}
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Configurations().Get(umbrella, store.ConfigurationInForce)
		wantKind(t, "another tenant's", err, access.KindNotFound)
		return nil
	})
	put := func(state store.ConfigurationState, digest string) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			return tx.Configurations().Put(newConfiguration(acme, state, digest), sealedBy(1, []byte(digest)))
		})
	}
	put(store.ConfigurationInForce, "sha256-three")
	wantApprovals(t, s, "after another came into force", newConfigurationApproval("sha256-two", "bo", 8))
	put(store.ConfigurationWaiting, "sha256-four")
	wantApprovals(t, s, "of the version that another has replaced")
	if v, text, err := get(store.ConfigurationWaiting); err != nil || v.Digest != "sha256-four" || text != "sha256-four" {
		t.Errorf("the version that waits now: %+v, %q, %v", v, text, err)
	}
	update(t, s, func(tx store.Tx) error {
		return tx.Configurations().Approve(newConfigurationApproval("sha256-four", "bo", 9))
	})
	for range 2 {
		update(t, s, func(tx store.Tx) error { return tx.Configurations().Withdraw(acme) })
	}
	_, _, err := get(store.ConfigurationWaiting)
	wantKind(t, "what was withdrawn", err, access.KindNotFound)
	wantApprovals(t, s, "of what was withdrawn")
}

func wantApprovals(t *testing.T, s store.Store, what string, want ...store.ConfigurationApproval) {
	t.Helper()
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Configurations().Approvals(acme)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("approvals %s (-want +got):\n%s", what, diff)
		}
		return err
	})
}

func testConfigurationApprovals(t *testing.T, s store.Store) {
	approve := func(a store.ConfigurationApproval) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Configurations().Approve(a) }
	}
	refused(t, s, "an approval where nothing waits", approve(newConfigurationApproval("sha256-two", "bo", 8)))
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 1)) })
	update(t, s, fillConfigurations)
	again := newConfigurationApproval("sha256-two", "bo", 9)
	again.By = principal("bo-from-the-chat")
	refused(t, s, "the same person through another account", approve(again))
	refused(t, s, "an approval of another version", approve(newConfigurationApproval("sha256-one", "cy", 9)))
	other := newConfigurationApproval("sha256-two", "cy", 9)
	other.Tenant = umbrella
	refused(t, s, "an approval of another tenant's", approve(other))
	nobody := newConfigurationApproval("sha256-two", "cy", 9)
	nobody.Person = ""
	wantKind(t, "an approval by nobody", s.Update(t.Context(), "nobody", approve(nobody)), access.KindInvalid)
	update(t, s, approve(newConfigurationApproval("sha256-two", "cy", 9)))
	wantApprovals(t, s, "of two", newConfigurationApproval("sha256-two", "bo", 8), newConfigurationApproval("sha256-two", "cy", 9))
	for range 2 {
		update(t, s, func(tx store.Tx) error { return tx.Configurations().Disapprove(acme, "person-bo") })
	}
	wantApprovals(t, s, "without one who is forgotten", newConfigurationApproval("sha256-two", "cy", 9))
}

// testSealedConfigurations has texts need the keys that have sealed them.
func testSealedConfigurations(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return insertKeys(tx, newKey(acme, 1), newKey(acme, 2)) })
	update(t, s, fillConfigurations)
	refused(t, s, "a text of a generation that is not there", func(tx store.Tx) error {
		return tx.Configurations().Put(newConfiguration(acme, store.ConfigurationInForce, "d"), sealedBy(3, []byte("x")))
	})
	refused(t, s, "the sealing key of texts", func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 1) })
	refused(t, s, "the generation of texts", func(tx store.Tx) error { return tx.Keys().Destroy(acme, 1) })
	var list []store.SealedConfiguration
	view(t, s, func(tx store.Tx) (err error) {
		uses, err := tx.Keys().Uses(acme, 1, 10)
		if uses.Configurations != 2 || uses.None() || !uses.Sealed() {
			t.Errorf("what needs the generation: %+v", uses)
		}
		if err != nil {
			return err
		}
		list, err = tx.Configurations().SealedBefore(acme, 2)
		return err
	})
	want := []store.SealedConfiguration{
		{State: store.ConfigurationInForce, Digest: "sha256-one", Sealed: sealedBy(1, []byte("the text of sha256-one"))},
		{State: store.ConfigurationWaiting, Digest: "sha256-two", Sealed: sealedBy(1, []byte("the text of sha256-two"))},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Fatalf("sealed by older generations (-want +got):\n%s", diff)
	}
	now := sealedBy(2, []byte("again"))
	refused(t, s, "another tenant's text", func(tx store.Tx) error { return tx.Configurations().Reseal(umbrella, list[0], now) })
	for _, was := range list {
		update(t, s, func(tx store.Tx) error { return tx.Configurations().Reseal(acme, was, now) })
		refused(t, s, "what was sealed again meanwhile", func(tx store.Tx) error { return tx.Configurations().Reseal(acme, was, now) })
	}
	wantApprovals(t, s, "of what is sealed anew", newConfigurationApproval("sha256-two", "bo", 8))
	update(t, s, func(tx store.Tx) error { return tx.Keys().DestroySealing(acme, 1) })
	refused(t, s, "a text of a key that is destroyed", func(tx store.Tx) error {
		return tx.Configurations().Put(newConfiguration(acme, store.ConfigurationInForce, "d"), sealedBy(1, []byte("x")))
	})
}
