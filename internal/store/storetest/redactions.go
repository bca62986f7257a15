package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// pseudonym comes behind all persons of the library, so that a list by person must be put in order anew.
const pseudonym access.PersonID = "person-zz"

func erased() access.PrincipalID {
	return access.PrincipalID{Issuer: access.ErasedIssuer, Subject: string(pseudonym)}
}

// overLibrary is a library of which everything is over.
func overLibrary() library {
	l := newLibrary()
	l.request.State = access.RequestApproved
	l.grant.State, l.grant.DueAt, l.grant.Lease = access.GrantEnded, time.Time{}, ""
	return l
}

// redact has all that can name a person changed, and with it, in vain, the rest.
func redact(tx store.Tx, l library) error {
	w, g, q, d, rv, a, fr, fd, dl := tx.Redactions(), l.grant, l.request, l.decisions[0], l.reviews[0], l.attestations[0], l.freeze, l.finding, l.delegation
	g.Principal, g.Person, g.ActsFor, g.Account, g.LastError, g.Housekeeping = erased(), pseudonym, erased(), "", "", ""
	g.Entitlement.Resource, g.EndReason, g.KeptBy, g.State = "x", access.EndFailed, "x", access.GrantActive
	q.Principal, q.Person, q.ActsFor, q.Reason, q.Ticket, q.Params, q.Recipient, q.Hash = erased(), pseudonym, erased(), "", "", nil, nil, nil
	q.AskedBy, q.AskedByPerson = erased(), pseudonym
	q.Bundle, q.State, q.Duration, q.Version = "x", access.RequestDenied, 1, 99
	d.Input, d.Decision, d.PolicyDigest = []byte("in"), []byte("out"), "x"
	rv.Reviewer, rv.Person, rv.Comment, rv.Hash, rv.Verdict, rv.Cap = erased(), pseudonym, "", []byte("h"), access.Deny, 0
	rv.InSteadOf, rv.Delegation = erased(), "x"
	dl.Absent, dl.AbsentPerson, dl.Delegate, dl.DelegatePerson, dl.Reason = erased(), pseudonym, erased(), pseudonym, ""
	dl.EndedAt, dl.EndedBy, dl.From, dl.Until = at(60), erased(), at(1), at(2)
	by := a.Person
	a.By, a.Person, a.Reason, a.At = erased(), pseudonym, "", at(999)
	fr.By, fr.Reason, fr.Scope, fr.Value = erased(), "", access.FreezeEverything, ""
	fd.Atom.Account, fd.Note, fd.ClosedBy, fd.Reason = "gone", "", erased(), ""
	fd.Atom.Right, fd.Mark, fd.State = "x", "x", access.FindingOpen
	for _, write := range []func() error{
		func() error { return w.Grant(g) }, func() error { return w.Request(q) }, func() error { return w.Decision(d) },
		func() error { return w.Review(rv) }, func() error { return w.Attestation(by, a) }, func() error { return w.Freeze(fr) },
		func() error { return w.Finding(fd) }, func() error { return w.Delegation(dl) }, func() error { return w.Event(acme, l.events[0].ID, pseudonym, "reason", "none") },
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// redacted is what must be left of a library.
func redacted(l library) library {
	g, q, fd := &l.grant, &l.request, &l.finding
	g.Principal, g.Person, g.ActsFor, g.Account, g.LastError, g.Housekeeping = erased(), pseudonym, erased(), "", "", ""
	g.Version++
	q.Principal, q.Person, q.ActsFor, q.Reason, q.Ticket, q.Params, q.Recipient, q.Hash = erased(), pseudonym, erased(), "", "", nil, nil, nil
	q.AskedBy, q.AskedByPerson = erased(), pseudonym
	l.decisions[0].Input, l.decisions[0].Decision = []byte("in"), []byte("out")
	rv, a, ev := &l.reviews[0], &l.attestations[0], &l.events[0]
	rv.Reviewer, rv.Person, rv.Comment, rv.Hash = erased(), pseudonym, "", []byte("h")
	rv.InSteadOf = erased()
	dl := &l.delegation
	dl.Absent, dl.AbsentPerson, dl.Delegate, dl.DelegatePerson, dl.Reason = erased(), pseudonym, erased(), pseudonym, ""
	dl.EndedAt, dl.EndedBy = at(60), erased()
	a.By, a.Person, a.Reason = erased(), pseudonym, ""
	slices.Reverse(l.attestations)
	l.freeze.By, l.freeze.Reason = erased(), ""
	fd.Atom.Account, fd.Note, fd.ClosedBy, fd.Reason = "gone", "", erased(), ""
	ev.Person, ev.Personal = pseudonym, ev.Personal[1:]
	return l
}

func testRedactions(t *testing.T, s store.Store) {
	l := overLibrary()
	update(t, s, l.write)
	sequence(t, s, acme, 1) // the other waits
	update(t, s, func(tx store.Tx) error { return redact(tx, l) })
	// What was there for the grant's life at its target is gone; it is put back to read the rest like any library.
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Plans().Get(acme, l.grant.ID)
		wantKind(t, "the plan", err, access.KindNotFound)
		_, err = tx.Credentials().Get(acme, l.grant.ID)
		wantKind(t, "the credential", err, access.KindNotFound)
		if err := tx.Plans().Put(acme, l.grant.ID, sealedBy(1, l.plan)); err != nil {
			return err
		}
		return tx.Credentials().Put(acme, l.credential)
	})
	want := redacted(overLibrary())
	var got library
	view(t, s, func(tx store.Tx) (err error) { got, err = readLibrary(tx); return })
	want.installation = got.installation
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(library{})); diff != "" {
		t.Errorf("what should be left (-) is not what is left (+):\n%s", diff)
	}
	wantRefused(t, s, "an account in place of another", func(tx store.Tx) error {
		g := got.grant
		g.Account = "another"
		return tx.Redactions().Grant(g)
	})
	wantRefused(t, s, "a grant as it was read before", func(tx store.Tx) error { return tx.Redactions().Grant(l.grant) })
	// The way that a redaction has is not open to what comes after it in the transaction.
	wantRefused(t, s, "a change after a redaction", func(tx store.Tx) error {
		if err := tx.Redactions().Request(want.request); err != nil {
			return err
		}
		g := want.grant
		g.EndReason = access.EndRevoked
		return tx.Grants().Update(g)
	})
}

func wantRefused(t *testing.T, s store.Store, what string, fn func(store.Tx) error) {
	t.Helper()
	wantKind(t, what, s.Update(context.Background(), "redact", fn), access.KindConflict)
}

// testRedactionsOfWhatIsNotOver has what is under way stay as it is: it is worked with, by the names in it.
func testRedactionsOfWhatIsNotOver(t *testing.T, s store.Store) {
	l := overLibrary()
	l.request.State, l.finding.State = access.RequestPending, access.FindingOpen
	update(t, s, l.write)
	tidied, live := l.grant, newGrant(l.request, "gr_8")
	tidied.ID, tidied.DueAt = "gr_9", at(90)
	update(t, s, func(tx store.Tx) error {
		if err := tx.Grants().Insert(tidied); err != nil {
			return err
		}
		return tx.Grants().Insert(live)
	})
	for name, write := range map[string]func(store.Redactions) error{
		"a pending request":         func(w store.Redactions) error { return w.Request(l.request) },
		"an open finding":           func(w store.Redactions) error { return w.Finding(l.finding) },
		"a grant that is not ended": func(w store.Redactions) error { return w.Grant(live) },
		"a grant that is tidied":    func(w store.Redactions) error { return w.Grant(tidied) },
	} {
		wantRefused(t, s, name, func(tx store.Tx) error { return write(tx.Redactions()) })
	}
}

// testRedactedRights has a grant's rights unknown again, but for what another grant holds or somebody works on.
func testRedactedRights(t *testing.T, s store.Store) {
	l := overLibrary()
	update(t, s, l.write)
	held := newGrant(l.request, "gr_2")
	lane := laneOf(l.grant)
	alone, shared, worked := newAtom("alone"), newAtom("shared"), newAtom("worked")
	update(t, s, func(tx store.Tx) error {
		if err := tx.Grants().Insert(held); err != nil {
			return err
		}
		for _, a := range []access.Atom{alone, shared, worked} {
			right, _, err := tx.Atoms().Lease(lane, a, "gr_1", tx.Now().Add(time.Hour))
			if err != nil {
				return err
			}
			right.Standing = true
			if err := tx.Atoms().Settle(right); err != nil {
				return err
			}
			if a != worked {
				if err := tx.Atoms().Release(right); err != nil {
					return err
				}
			}
		}
		if err := tx.Atoms().Hold(lane, held.ID, []access.Atom{shared}); err != nil {
			return err
		}
		if err := tx.Atoms().Hold(lane, l.grant.ID, []access.Atom{alone, shared, worked}); err != nil {
			return err
		}
		return tx.Atoms().Drop(acme, l.grant.ID)
	})
	update(t, s, func(tx store.Tx) error { return tx.Redactions().Grant(l.grant) })
	update(t, s, func(tx store.Tx) error {
		dropped, err := tx.Atoms().Dropped(lane, at(0).AddDate(-10, 0, 0), 10)
		if err != nil || len(dropped) > 0 {
			t.Errorf("it is known still that the grant held %v, %v", dropped, err)
		}
		for a, known := range map[access.Atom]bool{alone: false, shared: true, worked: true} {
			right, _, err := tx.Atoms().Lease(lane, a, "gr_1", tx.Now().Add(2*time.Hour))
			if err != nil || right.Standing != known {
				t.Errorf("the right %q: standing %t, %v", a.Right, right.Standing, err)
			}
		}
		return nil
	})
}
