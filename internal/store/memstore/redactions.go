package memstore

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// redactions implements store.Redactions.
type redactions struct{ tx *tx }

// stillOpen is the answer to changing what is not over.
func stillOpen(noun, id, state string) error {
	return access.Errorf(access.KindConflict, "The %s %.128q is %s, and is needed as it is until it is over.", noun, id, state)
}

func missing(noun, id string) error {
	return access.Errorf(access.KindNotFound, "There is no %s %.128q.", noun, id)
}

// changeOne writes one row of a list, in a copy of it; those who read it before have the list as it was. The copy is put in
// order again, where there is one that may change.
func changeOne[V any](t *tx, b *table[key, []V], k key, absent error, is func(V) bool, change func(*V), order ...func(V, V) int) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	list := slices.Clone(b.rows[k])
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return absent
	}
	change(&list[i])
	for _, by := range order {
		slices.SortFunc(list, by)
	}
	b.mine(t)[k] = list
	return nil
}

func (r redactions) Request(v access.Request) error {
	stored, err := requests(r).Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	if !stored.State.Settled() {
		return stillOpen("request", string(v.ID), string(stored.State))
	}
	stored.Principal, stored.Person, stored.ActsFor, stored.Reason, stored.Ticket = v.Principal, v.Person, v.ActsFor, v.Reason, v.Ticket
	stored.AskedBy, stored.AskedByPerson = v.AskedBy, v.AskedByPerson
	stored.Params, stored.Recipient, stored.Hash = maps.Clone(v.Params), bytes.Clone(v.Recipient), bytes.Clone(v.Hash)
	r.tx.books.requests.mine(r.tx)[requestKey(v)] = stored
	return nil
}

func (r redactions) Delegation(v access.Delegation) error {
	stored, err := delegations(r).Get(v.Tenant, v.ID)
	if err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	stored.Absent, stored.AbsentPerson, stored.Delegate, stored.DelegatePerson = v.Absent, v.AbsentPerson, v.Delegate, v.DelegatePerson
	stored.Reason, stored.EndedAt, stored.EndedBy = v.Reason, whole(v.EndedAt), v.EndedBy
	r.tx.books.delegations.mine(r.tx)[delegationKey(v)] = stored
	return nil
}

func (r redactions) Review(v access.Review) error {
	// The law lets a caller name the review alone.
	for k, list := range r.tx.books.reviews.rows {
		if k.tenant == v.Tenant && slices.ContainsFunc(list, func(o access.Review) bool { return o.ID == v.ID }) {
			return changeOne(r.tx, &r.tx.books.reviews, k, nil, func(o access.Review) bool { return o.ID == v.ID }, func(o *access.Review) {
				o.Reviewer, o.Person, o.InSteadOf = v.Reviewer, v.Person, v.InSteadOf
				o.Comment, o.Hash = v.Comment, bytes.Clone(v.Hash)
			})
		}
	}
	return cmp.Or(r.tx.mayWrite(), missing("review", string(v.ID)))
}

func (r redactions) Decision(d store.Decision) error {
	absent := missing("decision on request", string(d.Request))
	is := func(o store.Decision) bool { return o.Sequence == d.Sequence }
	return changeOne(r.tx, &r.tx.books.decisions, key{d.Tenant, string(d.Request)}, absent, is, func(o *store.Decision) {
		o.Input, o.Decision = bytes.Clone(d.Input), bytes.Clone(d.Decision)
	})
}

func (r redactions) Grant(g access.Grant) error {
	stored, err := grants(r).Get(g.Tenant, g.ID)
	if err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	switch {
	case stored.Version != g.Version:
		return movedOn("grant", string(g.ID))
	case stored.State != access.GrantEnded:
		return stillOpen("grant", string(g.ID), string(stored.State))
	case !stored.DueAt.IsZero():
		return stillOpen("grant", string(g.ID), "still to be tidied")
	case g.Account != "" && g.Account != stored.Account:
		return access.Errorf(access.KindConflict, "The account of the grant %.128q can only be emptied.", g.ID)
	}
	stored.Principal, stored.Person, stored.ActsFor, stored.Account = g.Principal, g.Person, g.ActsFor, g.Account
	stored.LastError, stored.Housekeeping = g.LastError, g.Housekeeping
	stored.Version++
	r.tx.books.grants.mine(r.tx)[grantKey(g)] = stored
	r.release(stored)
	return nil
}

// release deletes what is kept beside a grant for its life at the target.
func (r redactions) release(g access.Grant) {
	b, k := &r.tx.books, grantKey(g)
	held := b.holdings.rows[k].atoms
	delete(b.plans.mine(r.tx), k)
	delete(b.credentials.mine(r.tx), k)
	delete(b.holdings.mine(r.tx), k)
	for _, a := range held {
		right := keyOf(store.Lane{Tenant: g.Tenant, Connector: g.Entitlement.Connector}, a)
		if !b.atoms.rows[right].LeaseEnd.After(r.tx.now) && !r.held(right) {
			delete(b.atoms.mine(r.tx), right)
		}
	}
}

// held reports whether a grant holds the right.
func (r redactions) held(right atomKey) bool {
	for k, h := range r.tx.books.holdings.rows {
		if k.tenant == right.tenant && h.connector == right.connector && h.dropped.IsZero() && slices.Contains(h.atoms, right.atom) {
			return true
		}
	}
	return false
}

func (r redactions) Attestation(person access.PersonID, a access.Attestation) error {
	absent := missing("attestation to grant", string(a.Grant))
	is := func(o access.Attestation) bool { return o.Person == person }
	return changeOne(r.tx, &r.tx.books.attestations, key{a.Tenant, string(a.Grant)}, absent, is, func(o *access.Attestation) {
		o.By, o.Person, o.Reason = a.By, a.Person, a.Reason
	}, func(x, y access.Attestation) int { return cmp.Compare(x.Person, y.Person) })
}

func (r redactions) Freeze(f access.Freeze) error {
	stored, err := freezes(r).Get(f.Tenant, f.ID)
	if err != nil {
		return err
	}
	stored.By, stored.Reason = f.By, f.Reason
	return freezes(r).put(freeze{Freeze: stored})
}

func (r redactions) Finding(f access.Finding) error {
	stored, err := findings(r).Get(f.Tenant, f.ID)
	if err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	if stored.State == access.FindingOpen {
		return stillOpen("finding", string(f.ID), string(stored.State))
	}
	stored.Atom.Account, stored.Note, stored.ClosedBy, stored.Reason = f.Atom.Account, f.Note, f.ClosedBy, f.Reason
	r.tx.books.findings.mine(r.tx)[key{f.Tenant, string(f.ID)}] = stored
	return nil
}

func (r redactions) Event(tenant access.TenantID, id access.EventID, person access.PersonID, fields ...string) error {
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	b := &r.tx.books
	for _, log := range []*table[access.TenantID, []store.EventRow]{&b.events, &b.unsequenced} {
		rows := slices.Clone(log.rows[tenant])
		i := slices.IndexFunc(rows, func(e store.EventRow) bool { return e.ID == id })
		if i < 0 {
			continue
		}
		rows[i].Person = person
		rows[i].Personal = slices.DeleteFunc(slices.Clone(rows[i].Personal), func(p store.PersonalValue) bool {
			return slices.Contains(fields, p.Field)
		})
		if len(rows[i].Personal) == 0 {
			rows[i].Personal = nil
		}
		log.mine(r.tx)[tenant] = rows
		return nil
	}
	return missing("event", string(id))
}
