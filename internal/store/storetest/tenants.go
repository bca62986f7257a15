package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// lookups are the methods that find one thing by its ID, and those that refer to one.
func lookups(tenant access.TenantID, l library) map[string]func(store.Tx) error {
	r, g := l.request, l.grant
	r.Tenant, g.Tenant = tenant, tenant
	r.State = access.RequestApproved
	review, decision := newReview(r, "rev_9", "person-zo"), l.decisions[0]
	decision.Tenant = tenant
	delegation := l.delegation
	delegation.Tenant = tenant
	freeze := l.freeze
	freeze.Tenant = tenant
	return map[string]func(store.Tx) error{
		"Policies.Get":     func(tx store.Tx) error { _, err := tx.Policies().Get(tenant, policyDigest); return err },
		"Requests.Get":     func(tx store.Tx) error { _, err := tx.Requests().Get(tenant, r.ID); return err },
		"Requests.Update":  func(tx store.Tx) error { return tx.Requests().Update(r) },
		"Decisions.Append": func(tx store.Tx) error { return tx.Decisions().Append(decision) },
		"Reviews.Insert":   func(tx store.Tx) error { return tx.Reviews().Insert(review) },
		"Grants.Get":       func(tx store.Tx) error { _, err := tx.Grants().Get(tenant, g.ID); return err },
		"Grants.Insert": func(tx store.Tx) error {
			g := g
			g.ID = "gr_9"
			return tx.Grants().Insert(g)
		},
		"Grants.Update": func(tx store.Tx) error { return tx.Grants().Update(g) },
		"Plans.Put": func(tx store.Tx) error {
			keys, err := tx.Keys().List(tenant)
			if err == nil && len(keys) == 0 {
				err = insertKeys(tx, newKey(tenant, 1))
			}
			if err != nil {
				return err
			}
			return tx.Plans().Put(tenant, g.ID, sealedBy(1, []byte("p")))
		},
		"Plans.Get":             func(tx store.Tx) error { _, err := tx.Plans().Get(tenant, g.ID); return err },
		"Credentials.Put":       func(tx store.Tx) error { return tx.Credentials().Put(tenant, l.credential) },
		"Credentials.Get":       func(tx store.Tx) error { _, err := tx.Credentials().Get(tenant, g.ID); return err },
		"Attestations.Insert":   func(tx store.Tx) error { return tx.Attestations().Insert(newAttestation(g, "person-zo")) },
		"Delegations.Get":       func(tx store.Tx) error { _, err := tx.Delegations().Get(tenant, l.delegation.ID); return err },
		"Delegations.End":       func(tx store.Tx) error { return tx.Delegations().End(delegation) },
		"Redactions.Delegation": func(tx store.Tx) error { return tx.Redactions().Delegation(delegation) },
		"Freezes.Get":           func(tx store.Tx) error { _, err := tx.Freezes().Get(tenant, freeze.ID); return err },
		"Freezes.Update":        func(tx store.Tx) error { return tx.Freezes().Update(freeze) },
		"Freezes.Delete":        func(tx store.Tx) error { return tx.Freezes().Delete(tenant, freeze.ID) },
		"Atoms.Hold": func(tx store.Tx) error {
			return tx.Atoms().Hold(laneOf(g), g.ID, []access.Atom{newAtom("reader")})
		},
		"Erasures.Get": func(tx store.Tx) error { _, err := tx.Erasures().Get(tenant, "er_1"); return err },
		"Erasures.Update": func(tx store.Tx) error {
			e := newErasure("er_1", "person-di")
			e.Tenant = tenant
			return tx.Erasures().Update(e)
		},
		"Redactions.Request":  func(tx store.Tx) error { return tx.Redactions().Request(r) },
		"Redactions.Grant":    func(tx store.Tx) error { return tx.Redactions().Grant(g) },
		"Redactions.Decision": func(tx store.Tx) error { return tx.Redactions().Decision(decision) },
		"Redactions.Review":   func(tx store.Tx) error { return tx.Redactions().Review(review) },
		"Redactions.Freeze":   func(tx store.Tx) error { return tx.Redactions().Freeze(freeze) },
		"Redactions.Finding": func(tx store.Tx) error {
			f := l.finding
			f.Tenant = tenant
			return tx.Redactions().Finding(f)
		},
		"Redactions.Attestation": func(tx store.Tx) error {
			return tx.Redactions().Attestation("person-bo", newAttestation(g, "person-bo"))
		},
		"Redactions.Event": func(tx store.Tx) error { return tx.Redactions().Event(tenant, l.events[0].ID, pseudonym, "reason") },
		"Findings.Get":     func(tx store.Tx) error { _, err := tx.Findings().Get(tenant, l.finding.ID); return err },
		"Findings.Update": func(tx store.Tx) error {
			f := l.finding
			f.Tenant = tenant
			return tx.Findings().Update(f)
		},
	}
}

// counts are the methods that find many; each says how many it found.
func counts(tenant access.TenantID, l library) map[string]func(store.Tx) (int, error) {
	page, later := store.Page{Limit: 10}, at(1_000_000)
	lane := store.Lane{Tenant: tenant, Connector: l.grant.Entitlement.Connector}
	one := func(t time.Time, err error) (int, error) {
		if t.IsZero() {
			return 0, err
		}
		return 1, err
	}
	return map[string]func(store.Tx) (int, error){
		"Keys.List": func(tx store.Tx) (int, error) {
			items, err := tx.Keys().List(tenant)
			return len(items), err
		},
		"Keys.Uses": func(tx store.Tx) (int, error) {
			u, err := tx.Keys().Uses(tenant, 1, 10)
			return u.Plans, err
		},
		"Plans.SealedBefore": func(tx store.Tx) (int, error) {
			items, err := tx.Plans().SealedBefore(tenant, 2, 10)
			return len(items), err
		},
		"Requests.List": func(tx store.Tx) (int, error) {
			items, _, err := tx.Requests().List(tenant, store.RequestFilter{}, page)
			return len(items), err
		},
		"Requests.Lapsing": func(tx store.Tx) (int, error) {
			items, err := tx.Requests().Lapsing(tenant, later, 10)
			return len(items), err
		},
		"Requests.NextLapse": func(tx store.Tx) (int, error) { return one(tx.Requests().NextLapse(tenant)) },
		"Decisions.List": func(tx store.Tx) (int, error) {
			items, err := tx.Decisions().List(tenant, l.request.ID)
			return len(items), err
		},
		"Decisions.Newest": func(tx store.Tx) (int, error) {
			items, err := tx.Decisions().Newest(tenant, l.request.ID)
			return len(items), err
		},
		"Grants.OfRequests": func(tx store.Tx) (int, error) {
			items, err := tx.Grants().OfRequests(tenant, l.request.ID)
			return len(items), err
		},
		"Reviews.List": func(tx store.Tx) (int, error) {
			items, err := tx.Reviews().List(tenant, l.request.ID)
			return len(items), err
		},
		"Grants.List": func(tx store.Tx) (int, error) {
			items, _, err := tx.Grants().List(tenant, store.GrantFilter{}, page)
			return len(items), err
		},
		"Grants.NextDue": func(tx store.Tx) (int, error) { return one(tx.Grants().NextDue(lane)) },
		"Grants.Upcoming": func(tx store.Tx) (int, error) {
			items, err := tx.Grants().Upcoming(lane, store.Due{}, later.Add(2*time.Hour), 10)
			return len(items), err
		},
		"Grants.Due": func(tx store.Tx) (int, error) {
			items, err := tx.Grants().Due(lane, later, 10)
			return len(items), err
		},
		"Atoms.Holders": func(tx store.Tx) (int, error) {
			items, err := tx.Atoms().Holders(lane, newAtom("reader"))
			return len(items), err
		},
		"Findings.List": func(tx store.Tx) (int, error) {
			items, _, err := tx.Findings().List(tenant, store.FindingFilter{}, page)
			return len(items), err
		},
		"Attestations.List": func(tx store.Tx) (int, error) {
			items, err := tx.Attestations().List(tenant, l.grant.ID)
			return len(items), err
		},
		"Delegations.List": func(tx store.Tx) (int, error) {
			items, _, err := tx.Delegations().List(tenant, store.DelegationFilter{}, page)
			return len(items), err
		},
		"Freezes.Covering": func(tx store.Tx) (int, error) {
			items, err := tx.Freezes().Covering(tenant, l.request.Person, "")
			return len(items), err
		},
		"Freezes.Unswept": func(tx store.Tx) (int, error) {
			items, err := tx.Freezes().Unswept(tenant, 10)
			return len(items), err
		},
		"Erasures.Unfinished": func(tx store.Tx) (int, error) {
			items, err := tx.Erasures().Unfinished(tenant, 10)
			return len(items), err
		},
		"Freezes.List": func(tx store.Tx) (int, error) {
			items, _, err := tx.Freezes().List(tenant, page)
			return len(items), err
		},
		"Events.List": func(tx store.Tx) (int, error) {
			items, err := tx.Events().List(tenant, store.EventFilter{}, 0, 10)
			return len(items), err
		},
		"Events.Unsequenced": func(tx store.Tx) (int, error) {
			items, err := tx.Events().Unsequenced(tenant, 10)
			return len(items), err
		},
	}
}

func testTenantIsolation(t *testing.T, s store.Store) {
	l := newLibrary()
	update(t, s, l.write)
	update(t, s, func(tx store.Tx) error { return tx.Erasures().Insert(newErasure("er_1", "person-di")) })
	if n := sequence(t, s, umbrella, 10); n != 0 {
		t.Errorf("Events.Sequence of another tenant numbers %d", n)
	}
	sequence(t, s, acme, 1) // the other waits
	update(t, s, func(tx store.Tx) error {
		return tx.Atoms().Hold(laneOf(l.grant), l.grant.ID, []access.Atom{newAtom("reader")})
	})
	ctx := context.Background()
	for name, find := range lookups(umbrella, l) {
		wantKind(t, name+" of another tenant", s.Update(ctx, "lookup", find), access.KindNotFound)
	}
	for name, count := range counts(umbrella, l) {
		update(t, s, func(tx store.Tx) error {
			n, err := count(tx)
			if n != 0 {
				t.Errorf("%s of another tenant finds %d", name, n)
			}
			return err
		})
	}
	update(t, s, func(tx store.Tx) error { return tx.Credentials().Delete(umbrella, l.grant.ID) })
	update(t, s, func(tx store.Tx) error { return tx.Atoms().Drop(umbrella, l.grant.ID) })

	// The same calls find it for its own tenant; otherwise the above says nothing.
	for name, count := range counts(acme, l) {
		update(t, s, func(tx store.Tx) error {
			n, err := count(tx)
			if n == 0 {
				t.Errorf("%s of the own tenant finds nothing", name)
			}
			return err
		})
	}
	var got library
	view(t, s, func(tx store.Tx) (err error) { got, err = readLibrary(tx); return })
	if len(got.reviews) != len(l.reviews) || len(got.decisions) != len(l.decisions) || string(got.plan) != string(l.plan) {
		t.Errorf("another tenant's calls changed something: %+v", got)
	}
	// Both tenants may use the same IDs.
	seed(t, s, umbrella, 1)
}

func testMissing(t *testing.T, s store.Store) {
	for name, find := range lookups(acme, newLibrary()) {
		wantKind(t, name+" in an empty store", s.Update(context.Background(), "lookup", find), access.KindNotFound)
	}
	for name, count := range counts(acme, newLibrary()) {
		update(t, s, func(tx store.Tx) error {
			n, err := count(tx)
			if n != 0 {
				t.Errorf("%s in an empty store finds %d", name, n)
			}
			return err
		})
	}
}

// testDangling has the tenant, but not what is referred to.
func testDangling(t *testing.T, s store.Store) {
	l := newLibrary()
	update(t, s, l.write)
	g, decision := newGrant(newRequest(acme, "req_none"), "gr_2"), l.decisions[0]
	decision.PolicyDigest = "none"
	dangling := map[string]func(store.Tx) error{
		"a grant without its request": func(tx store.Tx) error { return tx.Grants().Insert(g) },
		"a plan without its grant":    func(tx store.Tx) error { return tx.Plans().Put(acme, "gr_none", sealedBy(1, []byte("p"))) },
		"a decision without a policy": func(tx store.Tx) error { return tx.Decisions().Append(decision) },
		"a review without its request": func(tx store.Tx) error {
			return tx.Reviews().Insert(newReview(newRequest(acme, "req_none"), "rev_9", "p"))
		},
	}
	for name, write := range dangling {
		wantKind(t, name, s.Update(context.Background(), "dangling", write), access.KindNotFound)
	}
}
