package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// newDelegation is one with every field set but those of its end.
func newDelegation(id access.DelegationID, absent, delegate string) access.Delegation {
	return access.Delegation{
		ID: id, Tenant: acme, Absent: principal(absent), AbsentPerson: access.PersonID("person-" + absent),
		Delegate: principal(delegate), DelegatePerson: access.PersonID("person-" + delegate), From: at(100), Until: at(200),
		Reason: "on leave", CreatedAt: at(50),
	}
}

func testDelegations(t *testing.T, s store.Store) {
	first, second, third := newDelegation("dl_1", "ada", "bo"), newDelegation("dl_2", "cy", "bo"), newDelegation("dl_3", "ada", "cy")
	third.Until = at(300)
	for _, d := range []access.Delegation{first, second, third} {
		update(t, s, func(tx store.Tx) error { return tx.Delegations().Insert(d) })
	}
	second.EndedAt, second.EndedBy = at(120), principal("cy")
	update(t, s, func(tx store.Tx) error {
		changed := second
		changed.Until, changed.DelegatePerson, changed.Reason = at(999), "person-zo", "x" // of which End writes nothing
		return tx.Delegations().End(changed)
	})
	all := []access.Delegation{third, second, first}
	for _, c := range []struct {
		name   string
		filter store.DelegationFilter
		want   []access.Delegation
	}{
		{"all", store.DelegationFilter{}, all},
		{"of the absent", store.DelegationFilter{Absent: "person-ada"}, []access.Delegation{third, first}},
		{"to the delegate", store.DelegationFilter{Delegate: "person-bo"}, []access.Delegation{second, first}},
		{"standing", store.DelegationFilter{Standing: at(199)}, []access.Delegation{third, first}},
		{"standing at an end", store.DelegationFilter{Standing: at(200)}, []access.Delegation{third}},
		{"together", store.DelegationFilter{Absent: "person-ada", Delegate: "person-bo", Standing: at(1)}, []access.Delegation{first}},
		{"nobody's", store.DelegationFilter{Absent: "person-bo"}, nil},
	} {
		var got []access.Delegation
		view(t, s, func(tx store.Tx) error {
			got = nil
			page := store.Page{Limit: 1}
			for more := true; more; more = page.After != "" {
				items, next, err := tx.Delegations().List(acme, c.filter, page)
				if err != nil {
					return err
				}
				got, page.After = append(got, items...), next
			}
			return nil
		})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	refused := func(what string, kind access.Kind, fn func(store.Tx) error) {
		t.Helper()
		wantKind(t, what, s.Update(context.Background(), "delegate", fn), kind)
	}
	refused("one again", access.KindConflict, func(tx store.Tx) error { return tx.Delegations().Insert(first) })
	refused("ended again", access.KindConflict, func(tx store.Tx) error { return tx.Delegations().End(second) })
	refused("ended, and not there", access.KindNotFound, func(tx store.Tx) error { return tx.Delegations().End(newDelegation("dl_9", "a", "b")) })
	for what, change := range map[string]func(*access.Delegation){
		"of nobody":   func(d *access.Delegation) { d.AbsentPerson = "" },
		"to nobody":   func(d *access.Delegation) { d.DelegatePerson = "" },
		"for no time": func(d *access.Delegation) { d.Until = d.From },
		"backwards":   func(d *access.Delegation) { d.Until = d.From.Add(-time.Hour) },
	} {
		d := newDelegation("dl_8", "ada", "bo")
		change(&d)
		refused(what, access.KindInvalid, func(tx store.Tx) error { return tx.Delegations().Insert(d) })
	}
}
