package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func insertFinding(s store.Store, f access.Finding) error {
	return s.Update(context.Background(), "finding", func(tx store.Tx) error { return tx.Findings().Insert(f) })
}

func updateFinding(s store.Store, f access.Finding) error {
	return s.Update(context.Background(), "finding", func(tx store.Tx) error { return tx.Findings().Update(f) })
}

// testFindingOnce finds the same thing twice, and again after it was gone.
func testFindingOnce(t *testing.T, s store.Store) {
	first := newFinding(acme, "fd_1")
	if err := insertFinding(s, first); err != nil {
		t.Fatal(err)
	}
	again := newFinding(acme, "fd_2")
	again.Mark = first.Mark
	wantKind(t, "the same thing while it is open", insertFinding(s, again), access.KindConflict)
	first.State, first.ClosedAt = access.FindingRemoved, at(90)
	if err := updateFinding(s, first); err != nil {
		t.Fatal(err)
	}
	if err := insertFinding(s, again); err != nil {
		t.Errorf("the same thing after it was gone: %v", err)
	}
	again.State, again.ClosedBy, again.Reason = access.FindingAccepted, principal("bo"), "known"
	if err := updateFinding(s, again); err != nil {
		t.Fatal(err)
	}
	third := newFinding(acme, "fd_3")
	third.Mark = first.Mark
	wantKind(t, "the same thing while it is accepted", insertFinding(s, third), access.KindConflict)
	for name, change := range map[string]func(*access.Finding){
		"kind":      func(f *access.Finding) { f.Kind = access.FindingForged },
		"connector": func(f *access.Finding) { f.Connector = "billing-db" },
		"grant":     func(f *access.Finding) { f.Grant = "gr_2" },
		"right":     func(f *access.Finding) { f.Atom.Right = "writer" },
	} {
		other := third
		other.ID = access.FindingID("fd_other_" + name)
		change(&other)
		if err := insertFinding(s, other); err != nil {
			t.Errorf("another %s is another thing: %v", name, err)
		}
	}
}

func testFindingTransitions(t *testing.T, s store.Store) {
	for _, from := range access.FindingStates() {
		for _, to := range access.FindingStates() {
			what := fmt.Sprintf("%s → %s", from, to)
			f := newFinding(acme, access.FindingID(fmt.Sprintf("fd_%s_%s", from, to)))
			f.State = from
			if err := insertFinding(s, f); err != nil {
				t.Fatal(err)
			}
			stale := f
			stale.State, stale.Version = to, f.Version+1
			wantKind(t, what+" at another version", updateFinding(s, stale), access.KindConflict)
			next := f
			next.State, next.ClosedAt, next.Note = to, at(91), "not written"
			err := updateFinding(s, next)
			want := f
			if from.CanBecome(to) {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				want.State, want.ClosedAt, want.Version = to, next.ClosedAt, f.Version+1
			} else {
				wantKind(t, what, err, access.KindConflict)
			}
			view(t, s, func(tx store.Tx) error {
				got, err := tx.Findings().Get(acme, f.ID)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
				return err
			})
		}
	}
}

func testFindingFilters(t *testing.T, s store.Store) {
	for i := range 6 {
		f := newFinding(acme, access.FindingID(fmt.Sprintf("fd_%d", i)))
		f.Connector = []access.ConnectorName{"orders-db", "billing-db"}[i%2]
		f.State = access.FindingStates()[i%3]
		if err := insertFinding(s, f); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		filter store.FindingFilter
		want   []access.FindingID
	}{
		{store.FindingFilter{}, []access.FindingID{"fd_5", "fd_4", "fd_3", "fd_2", "fd_1", "fd_0"}},
		{store.FindingFilter{State: access.FindingOpen}, []access.FindingID{"fd_3", "fd_0"}},
		{store.FindingFilter{Connector: "orders-db"}, []access.FindingID{"fd_4", "fd_2", "fd_0"}},
		{store.FindingFilter{Connector: "billing-db", State: access.FindingOpen}, []access.FindingID{"fd_3"}},
	}
	for _, test := range tests {
		var got []access.FindingID
		page := store.Page{Limit: 2}
		for first := true; first || page.After != ""; first = false {
			view(t, s, func(tx store.Tx) error {
				items, next, err := tx.Findings().List(acme, test.filter, page)
				for _, f := range items {
					got = append(got, f.ID)
				}
				page.After = next
				return err
			})
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.filter, diff)
		}
	}
}
