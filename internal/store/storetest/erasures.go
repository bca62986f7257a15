package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func newErasure(id access.ErasureID, person access.PersonID) access.Erasure {
	return access.Erasure{
		ID: id, Tenant: acme, Person: person, Principals: []access.PrincipalID{principal("ada"), principal("ada/ops")},
		Accounts: []string{"ada_db"}, By: principal("carol"), Reason: "asked for it", Pseudonym: pseudonym, BegunAt: at(13),
		Stage: "names", Cursor: "c", Counts: map[string]int{"grants": 2}, Version: 1,
	}
}

func testErasures(t *testing.T, s store.Store) {
	first, second := newErasure("er_1", "person-ada"), newErasure("er_2", "person-bo")
	insert := func(e access.Erasure) error {
		return s.Update(context.Background(), "forget", func(tx store.Tx) error { return tx.Erasures().Insert(e) })
	}
	for _, e := range []access.Erasure{second, first} {
		if err := insert(e); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "one who is being forgotten", insert(newErasure("er_3", "person-ada")), access.KindConflict)
	wantKind(t, "nobody", insert(newErasure("er_4", "")), access.KindInvalid)
	wantUnfinished(t, s, first, second)

	// Whose it is stays; how far it came changes.
	ahead := first
	ahead.Principals, ahead.Accounts, ahead.Stage, ahead.Cursor = ahead.Principals[:1], nil, "events", ""
	ahead.Counts = map[string]int{"grants": 3, "entries": 1}
	other := ahead
	other.Person, other.By, other.Reason, other.Pseudonym, other.BegunAt = "person-x", principal("x"), "x", "x", at(99)
	update(t, s, func(tx store.Tx) error { return tx.Erasures().Update(other) })
	ahead.Version++
	wantUnfinished(t, s, ahead, second)
	wantRefused(t, s, "an erasure as it was before", func(tx store.Tx) error { return tx.Erasures().Update(first) })

	done := ahead
	done.DoneAt = at(14)
	update(t, s, func(tx store.Tx) error { return tx.Erasures().Update(done) })
	wantUnfinished(t, s, second)
	done.Person, done.Principals, done.By, done.Reason, done.Version = "", nil, access.PrincipalID{}, "", done.Version+1
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Erasures().Get(acme, first.ID)
		if diff := cmp.Diff(done, got); diff != "" {
			t.Errorf("what is done (-want +got):\n%s", diff)
		}
		return err
	})
	wantRefused(t, s, "an erasure that is done", func(tx store.Tx) error { return tx.Erasures().Update(done) })
	if err := insert(newErasure("er_5", "person-ada")); err != nil {
		t.Errorf("one who was forgotten before: %v", err)
	}
}

func wantUnfinished(t *testing.T, s store.Store, want ...access.Erasure) {
	t.Helper()
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Erasures().Unfinished(acme, 10)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("unfinished (-want +got):\n%s", diff)
		}
		return err
	})
}
