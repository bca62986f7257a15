package storetest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// grantPages reads a list to its end, with something to do between pages.
func grantPages(t testing.TB, s store.Store, f store.GrantFilter, limit int, between func()) (ids []access.GrantID) {
	t.Helper()
	page := store.Page{Limit: limit}
	for {
		var items []access.Grant
		view(t, s, func(tx store.Tx) (err error) { items, page.After, err = tx.Grants().List(acme, f, page); return })
		if len(items) > limit || len(ids) > 1000 {
			t.Fatalf("a page of %d has %d items, after %d: the list does not end", limit, len(items), len(ids))
		}
		for _, g := range items {
			ids = append(ids, g.ID)
		}
		if page.After == "" {
			return ids
		}
		between()
	}
}

func testListFilters(t *testing.T, s store.Store) {
	r, list := seed(t, s, acme, 6)
	second := newRequest(acme, "req_2")
	second.Principal, second.Person, second.State = principal("bo"), "person-bo", access.RequestDenied
	mine := newGrant(second, "gr_900000")
	mine.Entitlement.Connector = "github"
	update(t, s, func(tx store.Tx) error {
		if err := tx.Requests().Insert(second); err != nil {
			return err
		}
		if _, err := advance(tx, list[0], access.GrantEnded); err != nil {
			return err
		}
		agreed := newReview(r, "rv_1", "person-di")
		agreed.Delegation, agreed.InSteadOf = "dl_1", principal("eve")
		return errors.Join(tx.Reviews().Insert(agreed), tx.Grants().Insert(mine))
	})
	newest := func(grants ...access.Grant) (ids []access.GrantID) {
		for _, g := range grants {
			ids = append(ids, g.ID)
		}
		slices.Sort(ids)
		slices.Reverse(ids)
		return ids
	}
	grants := []struct {
		name   string
		filter store.GrantFilter
		want   []access.GrantID
	}{
		{"all", store.GrantFilter{}, newest(append(list, mine)...)},
		{"principal", store.GrantFilter{Principal: principal("bo")}, newest(mine)},
		{"another issuer is another principal",
			store.GrantFilter{Principal: access.PrincipalID{Issuer: "x", Subject: "bo"}}, nil},
		{"person", store.GrantFilter{Person: "person-bo"}, newest(mine)},
		{"request", store.GrantFilter{Request: r.ID}, newest(list...)},
		{"connector", store.GrantFilter{Connector: "orders-db"}, newest(list...)},
		{"reviewer", store.GrantFilter{Reviewer: "person-di"}, newest(list...)},
		{"another reviewer", store.GrantFilter{Reviewer: "person-bo"}, nil},
		{"whose stead", store.GrantFilter{InSteadOf: principal("eve"), Unended: true}, newest(list[1:]...)},
		{"nobody's stead", store.GrantFilter{InSteadOf: principal("di")}, nil},
		{"asker", store.GrantFilter{AskedBy: principal("cy"), Unended: true}, newest(append(list[1:], mine)...)},
		{"another asker", store.GrantFilter{AskedBy: principal("ada")}, nil},
		{"unended", store.GrantFilter{Unended: true}, newest(append(list[1:], mine)...)},
		{"together", store.GrantFilter{Principal: r.Principal, Request: r.ID, Connector: "orders-db", Unended: true},
			newest(list[1:]...)},
		{"together, none", store.GrantFilter{Request: r.ID, Connector: "github"}, nil},
	}
	for _, c := range grants {
		for _, limit := range []int{1, 2, len(list) + 1, 1000} {
			got := grantPages(t, s, c.filter, limit, func() {})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("grants by %s in pages of %d (-want +got):\n%s", c.name, limit, diff)
			}
		}
	}
	requests := []struct {
		name   string
		filter store.RequestFilter
		want   []access.RequestID
	}{
		{"all", store.RequestFilter{}, []access.RequestID{"req_2", "req_1"}},
		{"principal", store.RequestFilter{Principal: principal("ada")}, []access.RequestID{"req_1"}},
		{"asker", store.RequestFilter{AskedBy: principal("cy")}, []access.RequestID{"req_2", "req_1"}},
		{"another asker", store.RequestFilter{AskedBy: principal("ada")}, nil},
		{"state", store.RequestFilter{State: access.RequestDenied}, []access.RequestID{"req_2"}},
		{"together", store.RequestFilter{Principal: principal("ada"), State: access.RequestDenied}, nil},
	}
	for _, c := range requests {
		var got []access.RequestID
		page := store.Page{Limit: 1}
		for more := true; more; more = page.After != "" {
			view(t, s, func(tx store.Tx) error {
				items, next, err := tx.Requests().List(acme, c.filter, page)
				for _, r := range items {
					got = append(got, r.ID)
				}
				page.After = next
				return err
			})
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("requests by %s (-want +got):\n%s", c.name, diff)
		}
	}
}

// testPagesComplete reads pages while grants are inserted: what was there at the start is read once each.
func testPagesComplete(t *testing.T, s store.Store) {
	r, list := seed(t, s, acme, 40)
	inserted := 0
	got := grantPages(t, s, store.GrantFilter{}, 7, func() {
		for range 5 {
			inserted++
			g := newGrant(r, access.GrantID(fmt.Sprintf("gr_1%05d", inserted)))
			update(t, s, func(tx store.Tx) error { return tx.Grants().Insert(g) })
		}
	})
	seen := map[access.GrantID]int{}
	for _, id := range got {
		seen[id]++
	}
	for _, g := range list {
		if seen[g.ID] != 1 {
			t.Errorf("%s was read %d times", g.ID, seen[g.ID])
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was read %d times", id, n)
		}
	}
	if inserted == 0 {
		t.Error("nothing was inserted between pages")
	}
}

func testBadCursors(t *testing.T, s store.Store) {
	seed(t, s, acme, 3)
	var cursor string
	view(t, s, func(tx store.Tx) (err error) {
		_, cursor, err = tx.Grants().List(acme, store.GrantFilter{}, store.Page{Limit: 1})
		return
	})
	bad := []string{
		"x", "gr_000002", "' OR 1=1", "\x00", cursor + "A", cursor[1:], cursor + "=",
		strings.Repeat("A", 1<<20), base64.RawURLEncoding.EncodeToString([]byte("gr_000002")),
	}
	for _, after := range bad {
		err := s.View(context.Background(), func(tx store.Tx) error {
			_, _, err := tx.Grants().List(acme, store.GrantFilter{}, store.Page{After: after, Limit: 1})
			return err
		})
		wantKind(t, fmt.Sprintf("the cursor %.40q", after), err, access.KindInvalid)
	}
	err := s.View(context.Background(), func(tx store.Tx) error {
		_, _, err := tx.Requests().List(acme, store.RequestFilter{}, store.Page{After: cursor, Limit: 1})
		return err
	})
	wantKind(t, "a cursor of another list", err, access.KindInvalid)
}
