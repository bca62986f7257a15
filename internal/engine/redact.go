package engine

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// The keys of access.Event.Personal by which an erasure tells names and words from each other.
const (
	fieldReason  = "reason"
	fieldComment = "comment"
	fieldTicket  = "ticket"
	fieldPerson  = "person"
	fieldAccount = "account"
)

// redactor takes a person out of rows. What has been taken out of already it leaves as it is, so that a step can be done
// again.
type redactor struct {
	access.Erasure
	now time.Time
}

// file is a request with all that belongs to it.
type file struct {
	request      access.Request
	decisions    []store.Decision
	reviews      []access.Review
	grants       []access.Grant
	attestations []access.Attestation
	// confirmations are those of the request and of its reviews.
	confirmations []access.Confirmation
}

// over reports whether nothing will be done with the request any more.
func (f file) over(now time.Time) bool {
	return f.request.State.Settled() && !slices.ContainsFunc(f.grants, func(g access.Grant) bool { return !settledGrant(g, now) })
}

// settledGrant reports whether a grant has ended, and nothing looks at its target any more.
func settledGrant(g access.Grant, now time.Time) bool {
	return g.State == access.GrantEnded && g.DueAt.IsZero() && !freeAt(g).After(now)
}

// learn takes up the names that the person has in a request and what belongs to it.
func (r *redactor) learn(f file) {
	if f.request.Person == r.Person {
		r.Principals = union(r.Principals, f.request.Principal)
	}
	if f.request.AskedByPerson == r.Person {
		r.Principals = union(r.Principals, f.request.AskedBy)
	}
	for _, rv := range f.reviews {
		if rv.Person == r.Person {
			r.Principals = union(r.Principals, rv.Reviewer)
		}
	}
	for _, g := range f.grants {
		if g.Person == r.Person && g.Account != "" {
			r.Accounts = union(r.Accounts, g.Account)
		}
	}
}

// union adds what the list does not have, to a copy of it.
func union[T comparable](list []T, one T) []T {
	if slices.Contains(list, one) {
		return list
	}
	return append(slices.Clip(list), one)
}

// file takes the person out of a request that is over and what belongs to it.
func (r *redactor) file(f file) ([]redaction, error) {
	list, err := r.decisions(f)
	if err != nil {
		return nil, err
	}
	own, asked := f.request.Person == r.Person, f.request.AskedByPerson == r.Person
	for _, rv := range f.reviews {
		list = append(list, r.review(rv, own, asked)...)
	}
	for _, c := range f.confirmations {
		if own || asked || c.Person == r.Person { // whose signatures tell them from others, and whose hashes lead to what was asked
			list = append(list, redact("confirmations", func(w store.Redactions) error { return w.Confirmation(c.Tenant, c.Request, c.Review) }))
		}
	}
	if !own && !asked {
		return list, nil
	}
	q := f.request
	// What was said goes with who said it. The hash has no salt: who guesses what was asked could tell by it that they are right.
	q.Reason, q.Ticket, q.Params, q.Hash = "", "", nil, nil
	if asked {
		q.AskedBy, q.AskedByPerson = r.Erased(), r.Pseudonym
	}
	if own {
		q.Principal, q.Person, q.Recipient, q.ActsFor = r.Erased(), r.Pseudonym, nil, r.actedFor(q.ActsFor)
	}
	list = append(list, redact("requests", func(w store.Redactions) error { return w.Request(q) }))
	if !own {
		return list, nil
	}
	for _, a := range f.attestations {
		by := a.Person
		a.Reason = ""
		list = append(list, redact("attestations", func(w store.Redactions) error { return w.Attestation(by, a) }))
	}
	for _, g := range f.grants {
		g.Principal, g.Person, g.Account, g.LastError, g.Housekeeping = r.Erased(), r.Pseudonym, "", "", ""
		g.ActsFor = r.actedFor(g.ActsFor)
		list = append(list, redact("grants", func(w store.Redactions) error { return w.Grant(g) }))
	}
	return list, nil
}

// actedFor takes out the human for whom an agent acted, whose person is the agent's. That an agent did stays.
func (r *redactor) actedFor(human access.PrincipalID) access.PrincipalID {
	if human.IsZero() {
		return human
	}
	return r.Erased()
}

func (r *redactor) decisions(f file) (list []redaction, err error) {
	forgotten := policy.Forgotten{Person: r.Person, Principals: r.Principals, As: r.Pseudonym}
	own := f.request.Person == r.Person
	for _, d := range f.decisions {
		var input, decision bool
		if d.Input, input, err = forgotten.Input(d.Input); err != nil {
			return nil, err
		}
		if d.Decision, decision, err = forgotten.Decision(d.Decision, own); err != nil {
			return nil, err
		}
		if input || decision {
			list = append(list, redact("decisions", func(w store.Redactions) error { return w.Decision(d) }))
		}
	}
	return list, nil
}

// review takes out the reviewer, if that is who is forgotten, and the reviewer's words. Of a request of theirs, the words
// are about them, and of one that they asked for as well the hash has the request's in it; the review's own name takes its place, since it must be unlike the
// other reviews'.
func (r *redactor) review(rv access.Review, own, asked bool) []redaction {
	by := rv.Person == r.Person
	absent := slices.Contains(r.Principals, rv.InSteadOf)
	if !by && !own && !asked && !absent {
		return nil
	}
	if by {
		rv.Reviewer, rv.Person = r.Erased(), r.Pseudonym
	}
	if absent {
		rv.InSteadOf = r.Erased()
	}
	if own || asked {
		rv.Hash = []byte(rv.ID)
	}
	if by || own {
		rv.Comment = ""
	}
	return []redaction{redact("reviews", func(w store.Redactions) error { return w.Review(rv) })}
}

// finding takes out the account, of a grant of theirs or by its name, and who accepted the finding. One that is open is
// access that should not be there: it stays until that is gone.
func (r *redactor) finding(f access.Finding, g access.Grant) []redaction {
	// Accounts of accepted findings must stay unlike each other.
	account := access.ErasedIssuer + ":" + string(f.ID)
	own := g.ID != "" && (g.Person == r.Person || g.Person == r.Pseudonym) || slices.Contains(r.Accounts, f.Atom.Account)
	own = own && f.Atom.Account != account || r.mentioned(f.Note) // whose books are lost may be named by the target
	by := slices.Contains(r.Principals, f.ClosedBy)
	if f.State == access.FindingOpen || (!own && !by) {
		return nil
	}
	if own {
		f.Atom.Account, f.Note = account, ""
	}
	if by {
		f.ClosedBy = r.Erased()
	}
	f.Reason = ""
	return []redaction{redact("findings", func(w store.Redactions) error { return w.Finding(f) })}
}

// delegation takes the person out of a delegation, which is over with that.
func (r *redactor) delegation(d access.Delegation) []redaction {
	absent, delegate, ended := d.AbsentPerson == r.Person, d.DelegatePerson == r.Person, slices.Contains(r.Principals, d.EndedBy)
	if !absent && !delegate && !ended {
		return nil
	}
	if d.Stands(r.now) {
		d.EndedAt = r.now
	}
	if absent {
		d.Absent, d.AbsentPerson, d.Reason = r.Erased(), r.Pseudonym, ""
	}
	if delegate {
		d.Delegate, d.DelegatePerson = r.Erased(), r.Pseudonym
	}
	if ended {
		d.EndedBy = r.Erased()
	}
	return []redaction{redact("delegations", func(w store.Redactions) error { return w.Delegation(d) })}
}

func (r *redactor) freeze(f access.Freeze) []redaction {
	if !slices.Contains(r.Principals, f.By) {
		return nil
	}
	f.By, f.Reason = r.Erased(), ""
	return []redaction{redact("freezes", func(w store.Redactions) error { return w.Freeze(f) })}
}

// event takes out of an entry what it commits to of the person, and follows one that says that they attested.
func (r *redactor) event(tx store.Tx, row store.EventRow) (list []redaction, err error) {
	person := row.Person
	if person == r.Person {
		person = r.Pseudonym
	}
	var fields []string
	for _, p := range row.Personal {
		if r.takes(row, p) {
			fields = append(fields, p.Field)
		}
	}
	if len(fields) == 0 && person == row.Person {
		return nil, nil
	}
	list = append(list, redaction{kind: "entries", values: len(fields), write: func(tx store.Tx) error {
		return tx.Redactions().Event(row.Tenant, row.ID, person, fields...)
	}})
	if row.Kind != access.EventGrantAttested || !slices.Contains(fields, audit.FieldActor) {
		return list, nil
	}
	given, err := r.attested(tx, row.Grant)
	return append(list, given...), err
}

// takes reports whether a value of an entry goes: all that an entry on the person's access says but who else was at it, the
// words of an entry that they caused, and their names wherever they stand.
func (r *redactor) takes(row store.EventRow, p store.PersonalValue) bool {
	switch {
	case r.names(p):
		return true
	case row.Person == r.Person:
		return p.Field != audit.FieldActor
	case p.Field == fieldReason || p.Field == fieldComment || p.Field == fieldTicket:
		return slices.ContainsFunc(row.Personal, func(o store.PersonalValue) bool { return o.Field == audit.FieldActor && r.names(o) })
	}
	return false
}

// names reports whether the value is a name of the person's.
func (r *redactor) names(p store.PersonalValue) bool {
	switch p.Field {
	case fieldPerson:
		return p.Value == string(r.Person)
	case fieldAccount:
		return slices.Contains(r.Accounts, p.Value)
	default:
		return r.mentioned(p.Value)
	}
}

// mentioned reports whether a text has the full name of one of the person's accounts in it, as a word.
func (r *redactor) mentioned(text string) bool {
	return slices.ContainsFunc(r.Principals, func(id access.PrincipalID) bool {
		for at, name := 0, id.String(); ; {
			i := strings.Index(text[at:], name)
			if i < 0 {
				return false
			}
			before, after := text[:at+i], text[at+i+len(name):]
			if !endsInName(before) && !beginsInName(after) {
				return true
			}
			at += i + 1
		}
	})
}

// inName reports whether the character can be part of the name of an account.
func inName(c rune) bool {
	return unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("._@+-/", c)
}

func endsInName(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return inName(last)
}

// beginsInName leaves a full stop at the end of a sentence out.
func beginsInName(text string) bool {
	rest := strings.TrimLeft(text, ".")
	first, _ := utf8.DecodeRuneInString(rest)
	return inName(first)
}

// attested takes the person out of their attestation to a grant that has ended. Before, who has attested counts.
func (r *redactor) attested(tx store.Tx, id access.GrantID) (list []redaction, err error) {
	g, err := tx.Grants().Get(r.Tenant, id)
	if err != nil || g.State != access.GrantEnded {
		return nil, ignoreMissing(err)
	}
	given, err := tx.Attestations().List(r.Tenant, id)
	for _, a := range given {
		if a.Person == r.Person {
			a.By, a.Person, a.Reason = r.Erased(), r.Pseudonym, ""
			list = append(list, redact("attestations", func(w store.Redactions) error { return w.Attestation(r.Person, a) }))
		}
	}
	return list, err
}
