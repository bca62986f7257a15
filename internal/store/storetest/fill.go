package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Fill writes something of everything that a store keeps, for those who test what is done with whole stores.
func Fill(t testing.TB, s store.Store) {
	t.Helper()
	l := newLibrary()
	l.events[0].Leaf = []byte{0, 0xff, '\n'}
	update(t, s, l.write)
	sequence(t, s, acme, 1) // the other waits
	update(t, s, func(tx store.Tx) error {
		if err := tx.Policies().Put(acme, "sha256-empty", []byte{}); err != nil {
			return err
		}
		if err := tx.Restores().Insert(newRestore(acme, 1)); err != nil {
			return err
		}
		if err := tx.Rules().SetDecided(acme, "sha256-rules"); err != nil {
			return err
		}
		if err := fillConfigurations(tx); err != nil {
			return err
		}
		if err := tx.Erasures().Insert(newErasure("er_1", "person-di")); err != nil {
			return err
		}
		if err := tx.Profiles().Put(newProfile(acme, "pr_1", "ada", "acme/eng")); err != nil {
			return err
		}
		if err := tx.Sessions().Insert(newPending(acme, "se_1", "ada")); err != nil {
			return err
		}
		if err := fillProvisioned(tx); err != nil {
			return err
		}
		if err := tx.Passkeys().Insert(newPasskey(acme, "pk_1", "ada")); err != nil {
			return err
		}
		if err := tx.Confirmations().Insert(newConfirmation(acme, l.request.ID, "")); err != nil {
			return err
		}
		codes := []store.SecretHash{store.HashSecret("code")}
		if err := tx.RecoveryCodes().Replace(acme, principal("ada"), "person-ada", codes); err != nil {
			return err
		}
		if err := tx.Ceremonies().Insert(newCeremony(acme, "cer_1", "ada")); err != nil {
			return err
		}
		head := store.LogHead{Size: 1, Checkpoint: []byte("signed"), At: tx.Now()}
		if err := tx.Log().Advance(acme, 0, head, []store.Tile{tile(0, 0, 1)}); err != nil {
			return err
		}
		served := store.Cursor{Position: 1, Checkpoint: head.Checkpoint, At: tx.Now()}
		if err := tx.Cursors().Advance(acme, "nas", 0, served); err != nil {
			return err
		}
		if _, _, err := tx.Atoms().Lease(atomLane(), newAtom("reader"), string(l.grant.ID), tx.Now().Add(time.Hour)); err != nil {
			return err
		}
		if err := tx.Atoms().Hold(atomLane(), l.grant.ID, []access.Atom{newAtom("reader")}); err != nil {
			return err
		}
		_, err := tx.Leases().Acquire("sequence acme", "node-1", tx.Now().Add(1))
		return err
	})
}

// fillProvisioned writes somebody in a group, of whom the directory is to be told.
func fillProvisioned(tx store.Tx) error {
	source := sourceOf(acme, "okta")
	for _, v := range []store.ProvisionedResource{
		newResource(source, store.ProvisionedUser, "us_1", "ada"), newResource(source, store.ProvisionedGroup, "gp_1", "eng"),
	} {
		if err := tx.Provisioned().Put(v); err != nil {
			return err
		}
	}
	if _, err := tx.Memberships().Add(source, "gp_1", []string{"us_1"}); err != nil {
		return err
	}
	return tx.StaleUsers().AddMembers(source, "gp_1")
}

// Same compares two stores that Fill has written to, one of them by way of the other.
func Same(t testing.TB, want, got store.Store) {
	t.Helper()
	read := func(s store.Store) (l library, r access.Request) {
		view(t, s, func(tx store.Tx) (err error) {
			if l, err = readLibrary(tx); err != nil {
				return err
			}
			r, err = tx.Requests().Get(acme, l.request.ID)
			return err
		})
		return l, r
	}
	wantLibrary, wantRequest := read(want)
	gotLibrary, gotRequest := read(got)
	if diff := cmp.Diff(wantLibrary, gotLibrary, cmp.AllowUnexported(library{})); diff != "" {
		t.Errorf("the one store and the other:\n%s", diff)
	}
	if diff := cmp.Diff(wantRequest, gotRequest); diff != "" {
		t.Errorf("the request in the one store and in the other:\n%s", diff)
	}
}
