package sqlstore

import (
	"errors"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// redactions implements store.Redactions.
type redactions struct{ tx *tx }

// exec runs a statement that the triggers let through only while something is erased. They are told so before it, and it is
// taken back behind it, so that nothing else in the transaction gets past them.
func (r redactions) exec(text string, args ...any) (int64, error) {
	if _, err := r.tx.exec(r.tx.dialect.beginErasing); err != nil {
		return 0, err
	}
	r.tx.erased = true
	n, err := r.tx.exec(text, args...)
	_, endErr := r.tx.exec(r.tx.dialect.endErasing)
	return n, errors.Join(err, endErr)
}

// one is exec for a row that must be there.
func (r redactions) one(missing error, text string, args ...any) error {
	n, err := r.exec(text, args...)
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// stillOpen is the answer to changing what is not over.
func stillOpen(noun, id, state string) error {
	return access.Errorf(access.KindConflict, "The %s %.128q is %s, and is needed as it is until it is over.", noun, id, state)
}

func (r redactions) Request(v access.Request) error {
	stored, err := requests(r).Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if !stored.State.Settled() {
		return stillOpen("request", string(v.ID), string(stored.State))
	}
	params, err := paramsText(v.Params)
	if err != nil {
		return err
	}
	return r.one(movedOn("request", string(v.ID)), `
		UPDATE requests SET principal_issuer = $3, principal_subject = $4, person = $5, reason = $6, ticket = $7, params = $8,
			recipient = $9, hash = $10, acts_for = $11, asked_by_issuer = $12, asked_by_subject = $13, asked_by_person = $14
		WHERE tenant = $1 AND id = $2`,
		v.Tenant, v.ID, v.Principal.Issuer, v.Principal.Subject, v.Person, v.Reason, v.Ticket, params, bytesOrNull(v.Recipient),
		bytesOrNull(v.Hash), v.ActsFor.String(), v.AskedBy.Issuer, v.AskedBy.Subject, v.AskedByPerson)
}

func (r redactions) Review(v access.Review) error {
	return r.one(notFound("review", string(v.ID)), `
		UPDATE reviews SET reviewer_issuer = $3, reviewer_subject = $4, person = $5, comment = $6, hash = $7,
			in_stead_issuer = $8, in_stead_subject = $9
		WHERE tenant = $1 AND id = $2`,
		v.Tenant, v.ID, v.Reviewer.Issuer, v.Reviewer.Subject, v.Person, v.Comment, v.Hash, v.InSteadOf.Issuer, v.InSteadOf.Subject)
}

func (r redactions) Delegation(v access.Delegation) error {
	return r.one(notFound("delegation", string(v.ID)), `
		UPDATE delegations SET absent_issuer = $3, absent_subject = $4, absent_person = $5, delegate_issuer = $6, delegate_subject = $7,
			delegate_person = $8, reason = $9, ended_at = $10, ended_by_issuer = $11, ended_by_subject = $12
		WHERE tenant = $1 AND id = $2`,
		v.Tenant, v.ID, v.Absent.Issuer, v.Absent.Subject, v.AbsentPerson, v.Delegate.Issuer, v.Delegate.Subject, v.DelegatePerson,
		v.Reason, micros(v.EndedAt), v.EndedBy.Issuer, v.EndedBy.Subject)
}

func (r redactions) Decision(d store.Decision) error {
	return r.one(notFound("decision on request", string(d.Request)), `
		UPDATE decisions SET input = $4, decision = $5 WHERE tenant = $1 AND request_id = $2 AND sequence = $3`,
		d.Tenant, d.Request, d.Sequence, d.Input, d.Decision)
}

func (r redactions) Grant(g access.Grant) error {
	stored, err := grants(r).Get(g.Tenant, g.ID)
	switch {
	case err != nil:
		return err
	case stored.Version != g.Version:
		return movedOn("grant", string(g.ID))
	case stored.State != access.GrantEnded:
		return stillOpen("grant", string(g.ID), string(stored.State))
	case !stored.DueAt.IsZero():
		return stillOpen("grant", string(g.ID), "still to be tidied")
	}
	err = r.one(movedOn("grant", string(g.ID)), `
		UPDATE grants SET principal_issuer = $4, principal_subject = $5, person = $6, account = $7, last_error = $8,
			housekeeping = $9, acts_for = $10, version = version + 1
		WHERE tenant = $1 AND id = $2 AND version = $3`,
		g.Tenant, g.ID, g.Version, g.Principal.Issuer, g.Principal.Subject, g.Person, g.Account, g.LastError, g.Housekeeping,
		g.ActsFor.String())
	if err != nil {
		return err
	}
	return r.release(g)
}

// release deletes what is kept beside a grant for its life at the target.
func (r redactions) release(g access.Grant) error {
	held, err := queryAll(r.tx, scanDropped,
		`SELECT grant_id, target, account, native_right FROM grant_atoms WHERE tenant = $1 AND grant_id = $2`, g.Tenant, g.ID)
	if err != nil {
		return err
	}
	for _, table := range []string{"plans", "credentials", "grant_atoms"} {
		if _, err := r.tx.exec(`DELETE FROM `+table+` WHERE tenant = $1 AND grant_id = $2`, g.Tenant, g.ID); err != nil {
			return err
		}
	}
	lane := store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector}
	for _, right := range held {
		_, err := r.tx.exec(`
			DELETE FROM atoms WHERE `+whichAtom+` AND (lease_end IS NULL OR lease_end <= $6) AND NOT EXISTS
				(SELECT 1 FROM grant_atoms WHERE `+whichAtom+` AND dropped_at IS NULL)`,
			append(atomKey(lane, right.Atom), micros(r.tx.now))...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r redactions) Attestation(person access.PersonID, a access.Attestation) error {
	return r.one(notFound("attestation to grant", string(a.Grant)), `
		UPDATE attestations SET person = $4, by_issuer = $5, by_subject = $6, reason = $7
		WHERE tenant = $1 AND grant_id = $2 AND person = $3`,
		a.Tenant, a.Grant, person, a.Person, a.By.Issuer, a.By.Subject, a.Reason)
}

func (r redactions) Confirmation(tenant access.TenantID, request access.RequestID, review access.ReviewID) error {
	_, err := r.exec(`DELETE FROM confirmations WHERE tenant = $1 AND request = $2 AND review = $3`, tenant, request, review)
	return err
}

func (r redactions) Freeze(f access.Freeze) error {
	return r.one(notFound("freeze", string(f.ID)),
		`UPDATE freezes SET by_issuer = $3, by_subject = $4, reason = $5 WHERE tenant = $1 AND id = $2`,
		f.Tenant, f.ID, f.By.Issuer, f.By.Subject, f.Reason)
}

func (r redactions) Finding(f access.Finding) error {
	stored, err := findings(r).Get(f.Tenant, f.ID)
	if err != nil {
		return err
	}
	if stored.State == access.FindingOpen {
		return stillOpen("finding", string(f.ID), string(stored.State))
	}
	return r.one(movedOn("finding", string(f.ID)), `
		UPDATE findings SET account = $3, note = $4, closed_by_issuer = $5, closed_by_subject = $6, reason = $7
		WHERE tenant = $1 AND id = $2`,
		f.Tenant, f.ID, f.Atom.Account, f.Note, f.ClosedBy.Issuer, f.ClosedBy.Subject, f.Reason)
}

func (r redactions) Event(tenant access.TenantID, id access.EventID, person access.PersonID, fields ...string) error {
	err := r.one(notFound("event", string(id)), `UPDATE events SET person = $3 WHERE tenant = $1 AND id = $2`, tenant, id, person)
	if err != nil {
		return err
	}
	for _, field := range slices.Compact(slices.Sorted(slices.Values(fields))) {
		_, err := r.tx.exec(`DELETE FROM event_personal WHERE tenant = $1 AND event_id = $2 AND field = $3`, tenant, id, field)
		if err != nil {
			return err
		}
	}
	return nil
}
