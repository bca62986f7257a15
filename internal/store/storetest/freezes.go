package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func insertFreezes(t *testing.T, s store.Store, list ...access.Freeze) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for _, f := range list {
			if err := tx.Freezes().Insert(f); err != nil {
				return err
			}
		}
		return nil
	})
}

func testFreezesCover(t *testing.T, s store.Store) {
	covering := func(person access.PersonID, connector access.ConnectorName) map[access.FreezeID]bool {
		ids := map[access.FreezeID]bool{}
		view(t, s, func(tx store.Tx) error {
			list, err := tx.Freezes().Covering(acme, person, connector)
			for _, f := range list {
				ids[f.ID] = true
			}
			return err
		})
		return ids
	}
	// A person and a connector of the same name are two things.
	insertFreezes(t, s, newFreeze("fz_1", access.FreezePerson, "ada"), newFreeze("fz_2", access.FreezeConnector, "ada"),
		newFreeze("fz_3", access.FreezeConnector, "orders-db"))
	type ids = map[access.FreezeID]bool
	for _, c := range []struct {
		person    access.PersonID
		connector access.ConnectorName
		want      ids
	}{
		{"ada", "github", ids{"fz_1": true}},
		{"ada", "ada", ids{"fz_1": true, "fz_2": true}},
		{"orders-db", "github", ids{}},
		{"bo", "orders-db", ids{"fz_3": true}},
		{"", "", ids{}},
	} {
		if diff := cmp.Diff(c.want, covering(c.person, c.connector)); diff != "" {
			t.Errorf("person %q at %q (-want +got):\n%s", c.person, c.connector, diff)
		}
	}
	insertFreezes(t, s, newFreeze("fz_4", access.FreezeEverything, ""))
	if got := covering("bo", "github"); !got["fz_4"] {
		t.Errorf("everything is frozen, and what covers bo is %v", got)
	}
	for name, f := range map[string]access.Freeze{
		"the same again":   newFreeze("fz_5", access.FreezePerson, "ada"),
		"everything again": newFreeze("fz_6", access.FreezeEverything, ""),
	} {
		err := s.Update(context.Background(), "freeze", func(tx store.Tx) error { return tx.Freezes().Insert(f) })
		wantKind(t, name, err, access.KindConflict)
	}
	for name, f := range map[string]access.Freeze{
		"nobody":                newFreeze("fz_7", access.FreezePerson, ""),
		"everything with value": newFreeze("fz_8", access.FreezeEverything, "x"),
		"an unknown scope":      newFreeze("fz_9", "planet", "x"),
	} {
		err := s.Update(context.Background(), "freeze", func(tx store.Tx) error { return tx.Freezes().Insert(f) })
		wantKind(t, name, err, access.KindInvalid)
	}
}

func testFreezeLife(t *testing.T, s store.Store) {
	first, second := newFreeze("fz_1", access.FreezePerson, "ada"), newFreeze("fz_2", access.FreezeEverything, "")
	insertFreezes(t, s, first, second)
	unswept := func() (ids []access.FreezeID) {
		view(t, s, func(tx store.Tx) error {
			list, err := tx.Freezes().Unswept(acme, 10)
			for _, f := range list {
				ids = append(ids, f.ID)
			}
			return err
		})
		return ids
	}
	if diff := cmp.Diff([]access.FreezeID{"fz_1", "fz_2"}, unswept()); diff != "" {
		t.Errorf("to be carried out (-want +got):\n%s", diff)
	}
	// What is frozen, why and by whom stays; how far it was carried out changes.
	changed := first
	changed.SweepCursor, changed.SweptAt, changed.Revoked = "next", at(60), 3
	wider := changed
	wider.Scope, wider.Value, wider.Reason, wider.By, wider.Since = access.FreezeEverything, "", "x", principal("eve"), at(99)
	update(t, s, func(tx store.Tx) error { return tx.Freezes().Update(wider) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Freezes().Get(acme, first.ID)
		if diff := cmp.Diff(changed, got); diff != "" {
			t.Errorf("after an update (-want +got):\n%s", diff)
		}
		return err
	})
	if diff := cmp.Diff([]access.FreezeID{"fz_2"}, unswept()); diff != "" {
		t.Errorf("to be carried out (-want +got):\n%s", diff)
	}
	var page []access.Freeze
	view(t, s, func(tx store.Tx) error {
		items, next, err := tx.Freezes().List(acme, store.Page{Limit: 1})
		if err != nil {
			return err
		}
		rest, end, err := tx.Freezes().List(acme, store.Page{After: next, Limit: 1})
		if end != "" {
			t.Errorf("two freezes have a third page")
		}
		page = append(items, rest...)
		return err
	})
	if diff := cmp.Diff([]access.Freeze{second, changed}, page); diff != "" {
		t.Errorf("the list, newest first (-want +got):\n%s", diff)
	}
	update(t, s, func(tx store.Tx) error { return tx.Freezes().Delete(acme, first.ID) })
	err := s.View(context.Background(), func(tx store.Tx) error { _, err := tx.Freezes().Get(acme, first.ID); return err })
	wantKind(t, "a freeze that was lifted", err, access.KindNotFound)
	// What was lifted can be frozen anew.
	insertFreezes(t, s, newFreeze("fz_3", access.FreezePerson, "ada"))
}
