package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// Two tenants; most cases need one.
const (
	acme     access.TenantID = "acme"
	umbrella access.TenantID = "umbrella"
)

const policyDigest = "sha256-0123"

// at is a moment n microseconds into the test's time.
func at(n int) time.Time {
	return time.Date(2026, 3, 1, 9, 0, 0, 123456000, time.UTC).Add(time.Duration(n) * time.Microsecond)
}

func principal(name string) access.PrincipalID {
	return access.PrincipalID{Issuer: "https://id.example", Subject: name}
}

// newRequest is a pending request with every field set.
func newRequest(tenant access.TenantID, id access.RequestID) access.Request {
	return access.Request{
		ID: id, Tenant: tenant, Principal: principal("ada"), Person: "person-ada", ActsFor: principal("human of ada"), Bundle: "incident",
		AskedBy: principal("cy"), AskedByPerson: "person-cy",
		Entitlements: []access.Entitlement{
			{Connector: "orders-db", Resource: "orders", Permission: "read"},
			{Connector: "orders-db", Resource: "a:b/c", Permission: "write"},
		},
		Duration: 90 * time.Minute, Start: at(5), Reason: "look at order 17", Ticket: "OPS-17",
		Params: map[string]string{"host": "db-1", "note": "<b>&\"'"}, BreakGlass: true,
		Recipient: []byte{0, 1, 2}, Hash: []byte{3, 0, 4}, State: access.RequestPending, CreatedAt: at(1),
		LapsesAt: at(1000), SettledAt: time.Time{}, Version: 1,
	}
}

// newGrant is a scheduled grant of the request with every field set that such a grant may have.
func newGrant(r access.Request, id access.GrantID) access.Grant {
	return access.Grant{
		ID: id, Tenant: r.Tenant, Request: r.ID, Principal: r.Principal, Person: r.Person, ActsFor: r.ActsFor,
		Entitlement: r.Entitlements[0], Account: "ada_db", Duration: time.Hour, State: access.GrantScheduled,
		CreatedAt: at(2), StartAt: at(3), DueAt: at(3), Version: 1,
	}
}

func newReview(r access.Request, id access.ReviewID, person access.PersonID) access.Review {
	return access.Review{
		ID: id, Tenant: r.Tenant, Request: r.ID, Reviewer: principal(string(person)), Person: person,
		Verdict: access.Approve, Delegation: "dl_1", InSteadOf: principal("ada"), Cap: 30 * time.Minute, Comment: "half an hour is enough", Hash: []byte{9}, At: at(7),
	}
}

func newEvent(tenant access.TenantID, id access.EventID) store.EventRow {
	return store.EventRow{
		ID: id, Tenant: tenant, At: at(8), Kind: access.EventGrantActive, Request: "req_1", Grant: "gr_1",
		Person: "person-ada", Leaf: []byte(`{"id":"` + id + `"}`),
		Personal: []store.PersonalValue{
			{Field: "reason", Value: "look at order 17", Salt: []byte{1, 2}},
			{Field: "comment", Value: "fine", Salt: []byte{3}},
		},
	}
}

func newCredential(grant access.GrantID) access.SealedCredential {
	return access.SealedCredential{
		Grant: grant, Attempt: 2, Recipient: []byte{7}, Ciphertext: []byte{8, 0, 9}, IssuedAt: at(9),
	}
}

func newFinding(tenant access.TenantID, id access.FindingID) access.Finding {
	return access.Finding{
		ID: id, Tenant: tenant, Connector: "orders-db", Kind: access.FindingAfterEnd, State: access.FindingOpen,
		Mark: access.Mark("curfew1:" + id), Atom: newAtom("reader"), Grant: "gr_1", Note: "a role that can log in",
		FoundAt: at(70), Version: 1,
	}
}

func newAtom(right string) access.Atom {
	return access.Atom{Target: "7531", Account: "ada_db", Right: right}
}

func newAttestation(grant access.Grant, person access.PersonID) access.Attestation {
	return access.Attestation{
		Tenant: grant.Tenant, Grant: grant.ID, By: principal(string(person)), Person: person, Reason: "the server is scrap",
		At: at(12),
	}
}

func newFreeze(id access.FreezeID, scope access.FreezeScope, value string) access.Freeze {
	return access.Freeze{
		ID: id, Tenant: acme, Scope: scope, Value: value, Reason: "laptop stolen", By: principal("carol"), Since: at(11),
	}
}

// seed writes a request of the tenant and n grants of it, and returns them as stored: req_1, gr_000001 and on.
func seed(t testing.TB, s store.Store, tenant access.TenantID, n int) (access.Request, []access.Grant) {
	t.Helper()
	r := newRequest(tenant, "req_1")
	list := make([]access.Grant, n)
	for i := range list {
		list[i] = newGrant(r, access.GrantID(fmt.Sprintf("gr_%06d", i+1)))
	}
	update(t, s, func(tx store.Tx) error {
		if err := tx.Requests().Insert(r); err != nil {
			return err
		}
		for _, g := range list {
			if err := tx.Grants().Insert(g); err != nil {
				return err
			}
		}
		return nil
	})
	return r, list
}

// path is the shortest way of a grant from the state it is made in.
func path(to access.GrantState) []access.GrantState {
	from := map[access.GrantState]access.GrantState{}
	queue := []access.GrantState{access.GrantScheduled}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		for _, next := range access.GrantStates() {
			if _, seen := from[next]; !seen && next != access.GrantScheduled && state.CanBecome(next) {
				from[next] = state
				queue = append(queue, next)
			}
		}
	}
	var steps []access.GrantState
	for state := to; state != access.GrantScheduled; state = from[state] {
		steps = append([]access.GrantState{state}, steps...)
	}
	return steps
}

// advance leads a grant that was just made to the state, and returns it as stored.
func advance(tx store.Tx, g access.Grant, to access.GrantState) (access.Grant, error) {
	for _, state := range path(to) {
		g.State = state
		if state == access.GrantEnded {
			g.EndReason, g.EndedAt, g.DueAt = access.EndExpired, at(50), time.Time{}
		}
		if err := tx.Grants().Update(g); err != nil {
			return g, err
		}
		g.Version++
	}
	return g, nil
}
