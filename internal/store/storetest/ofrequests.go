package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// belongings are what belongs to some requests.
type belongings struct {
	Decisions map[access.RequestID]string
	Reviews   []access.Review
	Grants    []access.Grant
}

func readBelongings(tx store.Tx, requests ...access.RequestID) (b belongings, err error) {
	decisions, err := tx.Decisions().Newest(acme, requests...)
	if err != nil {
		return b, err
	}
	b.Decisions = map[access.RequestID]string{}
	for id, text := range decisions {
		b.Decisions[id] = string(text)
	}
	if b.Reviews, err = tx.Reviews().List(acme, requests...); err != nil {
		return b, err
	}
	b.Grants, err = tx.Grants().OfRequests(acme, requests...)
	return b, err
}

// testOfRequests has three requests: one with two of everything, one with one, and one with nothing.
func testOfRequests(t *testing.T, s store.Store) {
	a, b := newRequest(acme, "req_a"), newRequest(acme, "req_b")
	var want belongings
	update(t, s, func(tx store.Tx) error {
		want = belongings{Decisions: map[access.RequestID]string{}}
		return fillRequests(tx, &want, a, b)
	})
	first := belongings{map[access.RequestID]string{"req_a": want.Decisions["req_a"]}, []access.Review{want.Reviews[0], want.Reviews[2]}, want.Grants[:2]}
	nothing := belongings{Decisions: map[access.RequestID]string{}}
	cases := []struct {
		name     string
		requests []access.RequestID
		want     belongings
	}{
		{"both", []access.RequestID{"req_a", "req_b"}, want},
		{"named in another order, twice, and among others", []access.RequestID{"req_b", "req_c", "req_a", "req_none", "req_b"}, want},
		{"one", []access.RequestID{"req_a"}, first},
		{"one that has nothing", []access.RequestID{"req_c"}, nothing},
		{"hostile", []access.RequestID{"'", `"]`, `\`, "%", "$1", "req_*"}, nothing},
		{"none", nil, nothing},
	}
	for _, c := range cases {
		view(t, s, func(tx store.Tx) error {
			got, err := readBelongings(tx, c.requests...)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			return err
		})
	}
	many := make([]access.RequestID, store.MaxRequests+1)
	for i := range many {
		many[i] = access.RequestID(fmt.Sprint("req_", i))
	}
	view(t, s, func(tx store.Tx) error { _, err := readBelongings(tx, many[:store.MaxRequests]...); return err })
	for name, read := range map[string]func(store.Tx) error{
		"decisions": func(tx store.Tx) error { _, err := tx.Decisions().Newest(acme, many...); return err },
		"reviews":   func(tx store.Tx) error { _, err := tx.Reviews().List(acme, many...); return err },
		"grants":    func(tx store.Tx) error { _, err := tx.Grants().OfRequests(acme, many...); return err },
	} {
		wantKind(t, name+" of too many requests", s.View(context.Background(), read), access.KindInvalid)
	}
}

// fillRequests writes the requests, a third without anything, and what belongs to the first two. What it appends to want
// is in the order in which it is to be read; what lies between the two requests there is written in turn.
func fillRequests(tx store.Tx, want *belongings, a, b access.Request) error {
	if err := tx.Policies().Put(acme, policyDigest, []byte("the text")); err != nil {
		return err
	}
	for _, r := range []access.Request{a, b, newRequest(acme, "req_c")} {
		if err := tx.Requests().Insert(r); err != nil {
			return err
		}
	}
	for i, r := range []access.Request{a, b, a} {
		d := store.Decision{Tenant: acme, Request: r.ID, At: at(i), PolicyDigest: policyDigest, Input: []byte("{}"), Decision: fmt.Appendf(nil, `{"n":%d}`, i)}
		review := newReview(r, access.ReviewID(fmt.Sprint("rev_", i)), access.PersonID(fmt.Sprint("person-", i)))
		review.At = at(i)
		g := newGrant(r, access.GrantID(fmt.Sprint("gr_", i)))
		if err := tx.Decisions().Append(d); err != nil {
			return err
		}
		if err := tx.Reviews().Insert(review); err != nil {
			return err
		}
		if err := tx.Grants().Insert(g); err != nil {
			return err
		}
		want.Decisions[r.ID] = string(d.Decision) // in place of the one before
		want.Reviews, want.Grants = append(want.Reviews, review), append(want.Grants, g)
	}
	want.Grants = []access.Grant{want.Grants[0], want.Grants[2], want.Grants[1]}
	return nil
}
