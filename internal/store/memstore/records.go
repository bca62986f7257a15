package memstore

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// installation implements store.Installation.
type installation struct{ tx *tx }

func (i installation) ID() (string, error) { return installationID, i.tx.mayRead() }

// policies implements store.Policies.
type policies struct{ tx *tx }

func (p policies) Put(tenant access.TenantID, digest string, text []byte) error {
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, digest}
	if _, there := p.tx.books.policies.rows[k]; !there {
		p.tx.books.policies.mine(p.tx)[k] = bytes.Clone(text)
	}
	return nil
}

func (p policies) Get(tenant access.TenantID, digest string) ([]byte, error) {
	return find(p.tx, p.tx.books.policies.rows, "policy set", key{tenant, digest})
}

// decisions implements store.Decisions.
type decisions struct{ tx *tx }

func (d decisions) Append(decision store.Decision) error {
	k := key{decision.Tenant, string(decision.Request)}
	if err := refer(d.tx, d.tx.books.requests.rows, "request", k); err != nil {
		return err
	}
	if err := refer(d.tx, d.tx.books.policies.rows, "policy set", key{decision.Tenant, decision.PolicyDigest}); err != nil {
		return err
	}
	if err := d.tx.mayWrite(); err != nil {
		return err
	}
	list := d.tx.books.decisions.rows[k]
	decision.Sequence, decision.At = len(list), whole(decision.At)
	decision.Input, decision.Decision = bytes.Clone(decision.Input), bytes.Clone(decision.Decision)
	d.tx.books.decisions.mine(d.tx)[k] = append(slices.Clip(list), decision)
	return nil
}

func (d decisions) List(tenant access.TenantID, request access.RequestID) ([]store.Decision, error) {
	return slices.Clone(d.tx.books.decisions.rows[key{tenant, string(request)}]), d.tx.mayRead()
}

func (d decisions) Newest(tenant access.TenantID, requests ...access.RequestID) (map[access.RequestID][]byte, error) {
	newest := map[access.RequestID][]byte{}
	err := d.tx.eachRequest(tenant, requests, func(k key) {
		if list := d.tx.books.decisions.rows[k]; len(list) > 0 {
			newest[access.RequestID(k.id)] = list[len(list)-1].Decision
		}
	})
	return newest, err
}

// reviews implements store.Reviews.
type reviews struct{ tx *tx }

func (r reviews) Insert(review access.Review) error {
	k := key{review.Tenant, string(review.Request)}
	if err := refer(r.tx, r.tx.books.requests.rows, "request", k); err != nil {
		return err
	}
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	if review.Person == "" {
		return r.tx.refuse("The store refuses a review by nobody.")
	}
	list := r.tx.books.reviews.rows[k]
	for _, other := range list {
		if other.ID == review.ID || (other.Person == review.Person && bytes.Equal(other.Hash, review.Hash)) {
			return access.Errorf(access.KindConflict, "This person has reviewed request %.128q already.", review.Request)
		}
	}
	review.Cap, review.At, review.Hash = review.Cap.Truncate(time.Microsecond), whole(review.At), bytes.Clone(review.Hash)
	list = append(slices.Clip(list), review)
	slices.SortFunc(list, byTime)
	r.tx.books.reviews.mine(r.tx)[k] = list
	return nil
}

func (r reviews) List(tenant access.TenantID, requests ...access.RequestID) ([]access.Review, error) {
	var all []access.Review
	err := r.tx.eachRequest(tenant, requests, func(k key) { all = append(all, r.tx.books.reviews.rows[k]...) })
	slices.SortFunc(all, byTime)
	return all, err
}

func byTime(a, b access.Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }

// credentials implements store.Credentials.
type credentials struct{ tx *tx }

func (c credentials) Put(tenant access.TenantID, sealed access.SealedCredential) error {
	k := key{tenant, string(sealed.Grant)}
	if err := refer(c.tx, c.tx.books.grants.rows, "grant", k); err != nil {
		return err
	}
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	sealed.IssuedAt = whole(sealed.IssuedAt)
	sealed.Recipient, sealed.Ciphertext = bytes.Clone(sealed.Recipient), bytes.Clone(sealed.Ciphertext)
	c.tx.books.credentials.mine(c.tx)[k] = sealed
	return nil
}

func (c credentials) Get(tenant access.TenantID, grant access.GrantID) (access.SealedCredential, error) {
	return find(c.tx, c.tx.books.credentials.rows, "credential of grant", key{tenant, string(grant)})
}

func (c credentials) Delete(tenant access.TenantID, grant access.GrantID) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	delete(c.tx.books.credentials.mine(c.tx), key{tenant, string(grant)})
	return nil
}
