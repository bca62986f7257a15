package storetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// newPasskey has every field set.
func newPasskey(tenant access.TenantID, id access.PasskeyID, name string) access.Passkey {
	return access.Passkey{
		ID: id, Tenant: tenant, Principal: principal(name), Person: access.PersonID("person-" + name), Label: "key of " + name,
		CredentialID: []byte("credential " + id), PublicKey: []byte{0, 0xff, 1}, Counter: 1<<32 - 1, BackupEligible: true, BackedUp: true,
		CreatedAt: at(1), UsedAt: at(2),
	}
}

func testPasskeys(t *testing.T, s store.Store) {
	first, second, others := newPasskey(acme, "pk_1", "ada"), newPasskey(acme, "pk_2", "ada"), newPasskey(acme, "pk_3", "bo")
	elsewhere := newPasskey(umbrella, "pk_1", "ada")
	try := func(fn func(store.Passkeys) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Passkeys()) })
	}
	for _, k := range []*access.Passkey{&second, &first, &others, &elsewhere} {
		if err := try(func(r store.Passkeys) error { return r.Insert(*k) }); err != nil {
			t.Fatal(err)
		}
		k.Version = 1
	}
	want := func(what string, tenant access.TenantID, name string, want ...access.Passkey) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Passkeys().List(tenant, principal(name))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			return err
		})
	}
	want("in their order", acme, "ada", first, second)
	want("another's", acme, "bo", others)
	want("another tenant's", umbrella, "ada", elsewhere)

	wantKind(t, "the same name", try(func(r store.Passkeys) error {
		k := newPasskey(acme, "pk_1", "cy")
		k.CredentialID = []byte("other")
		return r.Insert(k)
	}), access.KindConflict)
	wantKind(t, "the same credential", try(func(r store.Passkeys) error {
		k := newPasskey(acme, "pk_4", "cy")
		k.CredentialID = first.CredentialID
		return r.Insert(k)
	}), access.KindConflict)
	wantKind(t, "no key", try(func(r store.Passkeys) error {
		k := newPasskey(acme, "pk_5", "cy")
		k.PublicKey = nil
		return r.Insert(k)
	}), access.KindInvalid)

	used := first
	used.Counter, used.BackedUp, used.UsedAt, used.Label = 7, false, at(9), "not written"
	if err := try(func(r store.Passkeys) error { return r.Use(used) }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "used as it was before", try(func(r store.Passkeys) error { return r.Use(used) }), access.KindConflict)
	used.Label, used.Version = first.Label, 2
	want("used", acme, "ada", used, second)

	wantKind(t, "another tenant's", try(func(r store.Passkeys) error { return r.Delete(umbrella, "pk_2") }), access.KindNotFound)
	if err := try(func(r store.Passkeys) error { return r.Delete(acme, "pk_1") }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "used when it is gone", try(func(r store.Passkeys) error { return r.Use(used) }), access.KindConflict)
	want("without it", acme, "ada", second)
	update(t, s, func(tx store.Tx) error {
		if n, err := tx.Passkeys().DeleteOf(acme, "person-ada"); n != 1 || err != nil {
			t.Errorf("deleted %d of a person (%v)", n, err)
		}
		return nil
	})
	want("nothing of the person", acme, "ada")
	want("all of others", acme, "bo", others)
	want("all of another tenant", umbrella, "ada", elsewhere)
}

func testRecoveryCodes(t *testing.T, s store.Store) {
	code := func(text string) store.SecretHash { return store.HashSecret(text) }
	replace := func(tenant access.TenantID, name string, codes ...store.SecretHash) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			return tx.RecoveryCodes().Replace(tenant, principal(name), access.PersonID("person-"+name), codes)
		})
	}
	use := func(tenant access.TenantID, name, text string) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return tx.RecoveryCodes().Use(tenant, principal(name), code(text)) })
	}
	left := func(tenant access.TenantID, name string, want int) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			n, err := tx.RecoveryCodes().Left(tenant, principal(name))
			if n != want {
				t.Errorf("%d codes of %s are left in %s, want %d", n, name, tenant, want)
			}
			return err
		})
	}
	left(acme, "ada", 0)
	replace(acme, "ada", code("a"), code("b"))
	replace(acme, "bo", code("a"))
	replace(umbrella, "ada", code("a"))
	left(acme, "ada", 2)
	if err := use(acme, "ada", "a"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "used twice", use(acme, "ada", "a"), access.KindNotFound)
	wantKind(t, "another's", use(acme, "bo", "b"), access.KindNotFound)
	left(acme, "ada", 1)
	left(acme, "bo", 1)
	replace(acme, "ada", code("c"))
	wantKind(t, "one of before", use(acme, "ada", "b"), access.KindNotFound)
	left(acme, "ada", 1)
	update(t, s, func(tx store.Tx) error { return tx.RecoveryCodes().DeleteOf(acme, "person-ada") })
	left(acme, "ada", 0)
	left(acme, "bo", 1)
	left(umbrella, "ada", 1)
}

func newCeremony(tenant access.TenantID, id access.CeremonyID, name string) store.Ceremony {
	return store.Ceremony{
		Ceremony: access.Ceremony{ID: id, Until: at(10)}, Tenant: tenant, Link: store.HashSecret("link of " + string(tenant) + string(id)),
		Principal: principal(name), Person: access.PersonID("person-" + name), State: []byte(`{"purpose":"x"}`),
	}
}

func testCeremonies(t *testing.T, s store.Store) {
	first, second, elsewhere := newCeremony(acme, "cer_1", "ada"), newCeremony(acme, "cer_2", "bo"), newCeremony(umbrella, "cer_1", "ada")
	second.Until = at(20)
	try := func(fn func(store.Ceremonies) error) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return fn(tx.Ceremonies()) })
	}
	for _, c := range []*store.Ceremony{&first, &second, &elsewhere} {
		if err := try(func(r store.Ceremonies) error { return r.Insert(*c) }); err != nil {
			t.Fatal(err)
		}
		c.Version = 1
	}
	want := func(what string, want store.Ceremony) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			byLink, err := tx.Ceremonies().ByLink(want.Tenant, want.Link)
			if err != nil {
				return err
			}
			byID, err := tx.Ceremonies().Get(want.Tenant, want.ID)
			if diff := cmp.Diff(want, byLink) + cmp.Diff(want, byID); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			return err
		})
	}
	missing := func(what string, tenant access.TenantID, link store.SecretHash) {
		t.Helper()
		err := s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Ceremonies().ByLink(tenant, link); return err })
		wantKind(t, what, err, access.KindNotFound)
	}
	want("as it began", first)
	want("another tenant's", elsewhere)
	missing("another tenant's link", umbrella, first.Link)
	wantKind(t, "the same name", try(func(r store.Ceremonies) error {
		c := newCeremony(acme, "cer_1", "cy")
		c.Link = store.HashSecret("other")
		return r.Insert(c)
	}), access.KindConflict)
	wantKind(t, "the same link", try(func(r store.Ceremonies) error {
		c := newCeremony(acme, "cer_9", "cy")
		c.Link = first.Link
		return r.Insert(c)
	}), access.KindConflict)
	wantKind(t, "no end", try(func(r store.Ceremonies) error {
		c := newCeremony(acme, "cer_8", "cy")
		c.Until = access.Ceremony{}.Until
		return r.Insert(c)
	}), access.KindInvalid)

	next := first
	next.State = []byte(`{"purpose":"y"}`)
	if err := try(func(r store.Ceremonies) error { return r.Update(next) }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "as it was before", try(func(r store.Ceremonies) error { return r.Update(next) }), access.KindConflict)
	next.Version = 2
	want("further", next)
	next.DoneAt = at(3)
	if err := try(func(r store.Ceremonies) error { return r.Update(next) }); err != nil {
		t.Fatal(err)
	}
	next.Version = 3
	want("done", next)
	wantKind(t, "done twice", try(func(r store.Ceremonies) error { return r.Update(next) }), access.KindConflict)

	update(t, s, func(tx store.Tx) error {
		if n, err := tx.Ceremonies().DeleteEnded(acme, at(10), 5); n != 1 || err != nil {
			t.Errorf("deleted %d that have ended (%v)", n, err)
		}
		return nil
	})
	missing("one that has ended", acme, first.Link)
	want("one that goes on", second)
	want("another tenant's that has ended", elsewhere)
	update(t, s, func(tx store.Tx) error { return tx.Ceremonies().DeleteOf(acme, "person-bo") })
	missing("somebody's who is forgotten", acme, second.Link)
}

// newConfirmation has every field set.
func newConfirmation(tenant access.TenantID, request access.RequestID, review access.ReviewID) access.Confirmation {
	b := func(text string) []byte { return []byte(text) }
	return access.Confirmation{
		Tenant: tenant, Request: request, Review: review, Principal: principal("ada"), Person: "person-ada", Passkey: "pk_1",
		Hash: bytes.Repeat(b("h"), 32), Nonce: bytes.Repeat(b("n"), 32), CredentialID: b("credential"), PublicKey: b("key"),
		ClientData: b(`{"type":"webauthn.get"}`), AuthenticatorData: []byte{0, 0xff}, Signature: b("signature"), At: at(4),
	}
}

func testConfirmations(t *testing.T, s store.Store) {
	l := newLibrary()
	update(t, s, l.write)
	request := l.request.ID
	own, ofReview := newConfirmation(acme, request, ""), newConfirmation(acme, request, "rev_9")
	insert := func(c access.Confirmation) error {
		return s.Update(context.Background(), "test", func(tx store.Tx) error { return tx.Confirmations().Insert(c) })
	}
	for _, c := range []access.Confirmation{ofReview, own} {
		if err := insert(c); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, want ...access.Confirmation) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Confirmations().List(acme, request)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			return err
		})
	}
	want("the request's own first", own, ofReview)
	wantKind(t, "a second one", insert(own), access.KindConflict)
	wantKind(t, "of a request that is not there", insert(newConfirmation(acme, "req_9", "")), access.KindNotFound)
	wantKind(t, "of another tenant's request", insert(newConfirmation(umbrella, request, "")), access.KindNotFound)
	unsigned := newConfirmation(acme, request, "rev_8")
	unsigned.Signature = nil
	wantKind(t, "unsigned", insert(unsigned), access.KindInvalid)
	for range 2 { // absent is success
		update(t, s, func(tx store.Tx) error { return tx.Redactions().Confirmation(acme, request, "rev_9") })
	}
	want("without the one that is forgotten", own)
}
