package store

import "github.com/curfewhq/curfew/internal/access"

// Erasures are the people who are being forgotten, and that some were.
type Erasures interface {
	// Insert keeps an erasure; one of a person who is being forgotten already is access.KindConflict.
	Insert(access.Erasure) error
	Get(access.TenantID, access.ErasureID) (access.Erasure, error)
	// Update writes how far the erasure was carried out (Principals, Accounts, Stage, Cursor, Counts, DoneAt) if e.Version is
	// still the stored one and it was not done, and stores Version+1. With a DoneAt, Person, Principals, Accounts, By and
	// Reason are emptied.
	Update(e access.Erasure) error
	// Unfinished lists erasures that are not done, oldest first.
	Unfinished(tenant access.TenantID, limit int) ([]access.Erasure, error)
}

// Redactions take out of the books what names a person. They are the one way to change what otherwise never does, so each
// writes the few fields that can name somebody, and nothing else; whether these say what they should is for the caller to
// know. What is not over yet is access.KindConflict: it is still worked with. After the commit nothing that was taken out is
// left in what the store writes to, as soon as nobody reads an older snapshot.
type Redactions interface {
	// Request writes Principal, Person, AskedBy, AskedByPerson, Reason, Ticket, Params, Recipient and Hash of a settled request.
	Request(access.Request) error
	// Review writes Reviewer, Person, InSteadOf, Comment and Hash.
	Review(access.Review) error
	// Decision writes Input and Decision of the one with this Sequence.
	Decision(Decision) error
	// Grant writes Principal, Person, Account, LastError and Housekeeping of an ended grant with nothing left to tidy, if
	// g.Version is still the stored one, and stores Version+1. Account can only be emptied. The grant's plan, its credential
	// and what is known of the rights that it held go; of these rights, what no other grant holds and nobody works on is
	// unknown again.
	Grant(g access.Grant) error
	// Attestation writes By, Person and Reason of the one that person gave.
	Attestation(person access.PersonID, a access.Attestation) error
	// Confirmation deletes the one of that review, or of the request itself; absent is success.
	Confirmation(access.TenantID, access.RequestID, access.ReviewID) error
	// Delegation writes Absent, AbsentPerson, Delegate, DelegatePerson, Reason, EndedAt and EndedBy.
	Delegation(access.Delegation) error
	// Freeze writes By and Reason.
	Freeze(access.Freeze) error
	// Finding writes Atom.Account, Note, ClosedBy and Reason of a finding that is not open.
	Finding(access.Finding) error
	// Event writes the person by which the event is found, and deletes the personal values of these fields.
	Event(tenant access.TenantID, id access.EventID, person access.PersonID, fields ...string) error
}
