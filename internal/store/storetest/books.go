package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// library is one of everything that a store keeps.
type library struct {
	installation string
	keys         []store.Key
	policy       []byte
	request      access.Request
	decisions    []store.Decision
	reviews      []access.Review
	grant        access.Grant
	plan         []byte
	credential   access.SealedCredential
	finding      access.Finding
	freeze       access.Freeze
	delegation   access.Delegation
	attestations []access.Attestation
	events       []store.EventRow
}

// newLibrary is a library as it is written; a grant has every field set.
func newLibrary() library {
	r := newRequest(acme, "req_1")
	g := newGrant(r, "gr_1")
	g.State, g.EndReason = access.GrantRevoking, access.EndReturned
	g.ActivatedAt, g.Deadline, g.EndedAt = at(10), at(20), at(30)
	g.DueAt, g.Lease, g.Attempt, g.ActBy, g.Failures, g.LastError = at(40), "worker-1", 3, at(41), 2, "no route"
	g.ExtendTo = at(25)
	g.VerifiedAt, g.VerifiedBy, g.ResidualUntil, g.SessionsEnded = at(50), "observer", at(60), 4
	g.Housekeeping, g.KeptBy, g.MarkGeneration, g.Version = "drop the role", "gr_2 standing", 2, 7
	l := library{
		keys: []store.Key{newKey(acme, 1), newKey(acme, 2)}, policy: []byte("the text"), request: r, grant: g,
		plan: []byte("a sealed plan"), credential: newCredential(g.ID), finding: newFinding(acme, "fd_1"),
		attestations: []access.Attestation{newAttestation(g, "person-bo"), newAttestation(g, "person-cy")},
		delegation:   newDelegation("dl_1", "ada", "bo"),
		freeze:       newFreeze("fz_1", access.FreezePerson, string(r.Person)),
		reviews:      []access.Review{newReview(r, "rev_1", "person-bo"), newReview(r, "rev_2", "person-cy")},
		events:       []store.EventRow{newEvent(acme, "ev_1"), newEvent(acme, "ev_2")},
	}
	l.finding.State, l.finding.ClosedAt = access.FindingAccepted, at(80)
	l.finding.ClosedBy, l.finding.Reason = principal("bo"), "it is the auditor's"
	for i := range 2 {
		l.decisions = append(l.decisions, store.Decision{
			Tenant: acme, Request: r.ID, Sequence: i, At: at(i), PolicyDigest: policyDigest,
			Input: fmt.Appendf(nil, `{"n":%d}`, i), Decision: []byte(`{"verdict":"auto"}`),
		})
	}
	return l
}

// write puts everything but the installation's ID into the store.
func (l *library) write(tx store.Tx) error {
	steps := []func() error{
		func() error { return insertKeys(tx, l.keys...) },
		func() error { return tx.Policies().Put(acme, policyDigest, l.policy) },
		func() error { return tx.Requests().Insert(l.request) },
		func() error { return tx.Grants().Insert(l.grant) },
		func() error { return tx.Plans().Put(acme, l.grant.ID, sealedBy(1, l.plan)) },
		func() error { return tx.Credentials().Put(acme, l.credential) },
		func() error { return tx.Findings().Insert(l.finding) },
		func() error { return tx.Freezes().Insert(l.freeze) },
		func() error { return tx.Delegations().Insert(l.delegation) },
	}
	for _, d := range l.decisions {
		d.Sequence = 99 // Append gives the number, whatever stands here.
		steps = append(steps, func() error { return tx.Decisions().Append(d) })
	}
	for _, r := range l.reviews {
		steps = append(steps, func() error { return tx.Reviews().Insert(r) })
	}
	for _, a := range l.attestations {
		steps = append(steps, func() error { return tx.Attestations().Insert(a) })
	}
	for _, e := range l.events {
		steps = append(steps, func() error { return tx.Events().Append(e) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readLibrary reads back what write wrote: of events those that have a position, and those that wait for one. Positions
// are left out.
func readLibrary(tx store.Tx) (l library, err error) {
	steps := []func() error{
		func() (err error) { l.installation, err = tx.Installation().ID(); return },
		func() (err error) { l.keys, err = tx.Keys().List(acme); return },
		func() (err error) { l.policy, err = tx.Policies().Get(acme, policyDigest); return },
		func() (err error) { l.request, err = tx.Requests().Get(acme, "req_1"); return },
		func() (err error) { l.decisions, err = tx.Decisions().List(acme, "req_1"); return },
		func() (err error) { l.reviews, err = tx.Reviews().List(acme, "req_1"); return },
		func() (err error) { l.grant, err = tx.Grants().Get(acme, "gr_1"); return },
		func() (err error) { l.plan, err = tx.Plans().Get(acme, "gr_1"); return },
		func() (err error) { l.credential, err = tx.Credentials().Get(acme, "gr_1"); return },
		func() (err error) { l.finding, err = tx.Findings().Get(acme, "fd_1"); return },
		func() (err error) { l.attestations, err = tx.Attestations().List(acme, "gr_1"); return },
		func() (err error) { l.delegation, err = tx.Delegations().Get(acme, "dl_1"); return },
		func() (err error) { l.freeze, err = tx.Freezes().Get(acme, "fz_1"); return },
		func() (err error) { l.events, err = tx.Events().List(acme, store.EventFilter{}, 0, 10); return },
		func() error {
			waiting, err := tx.Events().Unsequenced(acme, 10)
			l.events = append(l.events, waiting...)
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return l, err
		}
	}
	for i := range l.events {
		l.events[i].Position = 0
	}
	return l, nil
}

func testRoundTrip(t *testing.T, s store.Store) {
	want := newLibrary()
	update(t, s, want.write)
	var got library
	view(t, s, func(tx store.Tx) (err error) { got, err = readLibrary(tx); return })
	if len(got.installation) < 16 {
		t.Errorf("installation ID %q is shorter than 16 characters", got.installation)
	}
	want.installation = got.installation
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(library{})); diff != "" {
		t.Errorf("what was written (-) is not what was read (+):\n%s", diff)
	}
}

func testHostileText(t *testing.T, s store.Store) {
	texts := map[string]string{
		"quotes": `'"` + "`; DROP TABLE grants; --", "NUL": "a\x00b", "not UTF-8": "a\xff\xfeb",
		"override": "abc\u202egpj.exe", "lines": "a\r\nb\x1b[2J\x7f", "parameters": "$1 ? :a @b %s {{.}}",
		"astral": "𝔘𝔫𝔦\U0010ffff", "1 MB": strings.Repeat("é", 1<<19), "empty": "", "number": "1e309",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			r := newRequest(acme, access.RequestID("req_"+name))
			r.Reason, r.Ticket, r.Person, r.Bundle = text, text, access.PersonID(text), text
			r.Principal.Subject, r.Params = text, map[string]string{"k": text}
			var got access.Request
			err := s.Update(context.Background(), "hostile", func(tx store.Tx) (err error) {
				if err := tx.Requests().Insert(r); err != nil {
					return err
				}
				got, err = tx.Requests().Get(r.Tenant, r.ID)
				return err
			})
			if err != nil {
				wantKind(t, "Insert", err, access.KindInvalid)
				return
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("what was written (-) is not what was read (+):\n%.2000s", diff)
			}
		})
	}
}

func testConflicts(t *testing.T, s store.Store) {
	l := newLibrary()
	update(t, s, l.write)
	again := map[string]func(store.Tx) error{
		"key":         func(tx store.Tx) error { return tx.Keys().Insert(l.keys[1]) },
		"request":     func(tx store.Tx) error { return tx.Requests().Insert(l.request) },
		"grant":       func(tx store.Tx) error { return tx.Grants().Insert(l.grant) },
		"review":      func(tx store.Tx) error { return tx.Reviews().Insert(l.reviews[0]) },
		"attestation": func(tx store.Tx) error { return tx.Attestations().Insert(l.attestations[0]) },
		"freeze":      func(tx store.Tx) error { return tx.Freezes().Insert(l.freeze) },
		"finding":     func(tx store.Tx) error { return tx.Findings().Insert(l.finding) },
		"event":       func(tx store.Tx) error { return tx.Events().Append(l.events[0]) },
	}
	for name, insert := range again {
		wantKind(t, "a second "+name, s.Update(context.Background(), "again", insert), access.KindConflict)
	}
	update(t, s, func(tx store.Tx) error { return tx.Policies().Put(acme, policyDigest, l.policy) })
	update(t, s, func(tx store.Tx) error { return tx.Plans().Put(acme, l.grant.ID, sealedBy(2, []byte("refined"))) })
	c := l.credential
	c.Attempt, c.Ciphertext = 5, []byte("newer")
	update(t, s, func(tx store.Tx) error { return tx.Credentials().Put(acme, c) })
	view(t, s, func(tx store.Tx) error {
		plan, err := tx.Plans().Get(acme, l.grant.ID)
		if err != nil || string(plan) != "refined" {
			t.Errorf("the plan is %q, %v; want the later one", plan, err)
		}
		got, err := tx.Credentials().Get(acme, l.grant.ID)
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("%v; the credential is not the later one:\n%s", err, diff)
		}
		keys, err := tx.Keys().List(acme)
		if diff := cmp.Diff(l.keys, keys); err != nil || diff != "" {
			t.Errorf("%v; the keys are not those that were there:\n%s", err, diff)
		}
		return nil
	})
	for range 2 {
		update(t, s, func(tx store.Tx) error { return tx.Credentials().Delete(acme, l.grant.ID) })
	}
	err := s.View(context.Background(), func(tx store.Tx) error {
		_, err := tx.Credentials().Get(acme, l.grant.ID)
		return err
	})
	wantKind(t, "a deleted credential", err, access.KindNotFound)
}

func testReviewPerPerson(t *testing.T, s store.Store) {
	r, _ := seed(t, s, acme, 0)
	second := newRequest(acme, "req_2")
	update(t, s, func(tx store.Tx) error { return tx.Requests().Insert(second) })
	insert := func(v access.Review) error {
		return s.Update(context.Background(), "review", func(tx store.Tx) error { return tx.Reviews().Insert(v) })
	}
	if err := insert(newReview(r, "rev_1", "person-bo")); err != nil {
		t.Fatal(err)
	}
	alias := newReview(r, "rev_2", "person-bo")
	alias.Reviewer, alias.Verdict = principal("bo-from-the-chat"), access.Deny
	wantKind(t, "the same person through another account", insert(alias), access.KindConflict)
	nobody := newReview(r, "rev_3", "")
	wantKind(t, "a review by nobody", insert(nobody), access.KindInvalid)
	if err := insert(newReview(second, "rev_4", "person-bo")); err != nil {
		t.Errorf("the same person on another request: %v", err)
	}
	anew := newReview(r, "rev_5", "person-bo")
	anew.Hash = append([]byte("other policies "), anew.Hash...)
	if err := insert(anew); err != nil {
		t.Errorf("the same person on what the request has become: %v", err)
	}
}
