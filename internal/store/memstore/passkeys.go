package memstore

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// passkeys implements store.Passkeys.
type passkeys struct{ tx *tx }

func (p passkeys) Insert(v access.Passkey) error {
	if v.Principal.IsZero() || len(v.CredentialID) == 0 || len(v.PublicKey) == 0 {
		return p.tx.refuse("The store refuses a passkey of nobody, or without a key.")
	}
	for k, other := range p.tx.books.passkeys.rows {
		if k.tenant == v.Tenant && bytes.Equal(other.CredentialID, v.CredentialID) {
			return access.Errorf(access.KindConflict, "There is a passkey %.128q already.", v.ID)
		}
	}
	v.CredentialID, v.PublicKey = bytes.Clone(v.CredentialID), bytes.Clone(v.PublicKey)
	v.CreatedAt, v.UsedAt, v.Version = whole(v.CreatedAt), whole(v.UsedAt), 1
	return insert(p.tx, &p.tx.books.passkeys, "passkey", key{v.Tenant, string(v.ID)}, v)
}

func (p passkeys) List(tenant access.TenantID, principal access.PrincipalID) (items []access.Passkey, err error) {
	for k, v := range p.tx.books.passkeys.rows {
		if k.tenant == tenant && v.Principal == principal {
			items = append(items, v)
		}
	}
	slices.SortFunc(items, func(a, b access.Passkey) int { return cmp.Compare(a.ID, b.ID) })
	return items[:min(len(items), store.MaxPasskeys)], p.tx.mayRead()
}

func (p passkeys) Use(v access.Passkey) error {
	k := key{v.Tenant, string(v.ID)}
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	stored, there := p.tx.books.passkeys.rows[k]
	if !there || stored.Version != v.Version {
		return movedOn("passkey", string(v.ID))
	}
	stored.Counter, stored.BackedUp, stored.UsedAt = v.Counter, v.BackedUp, whole(v.UsedAt)
	stored.Version++
	p.tx.books.passkeys.mine(p.tx)[k] = stored
	return nil
}

func (p passkeys) Delete(tenant access.TenantID, id access.PasskeyID) error {
	return remove(p.tx, &p.tx.books.passkeys, "passkey", key{tenant, string(id)})
}

func (p passkeys) DeleteOf(tenant access.TenantID, person access.PersonID) (n int, err error) {
	if err := p.tx.mayWrite(); err != nil {
		return 0, err
	}
	maps.DeleteFunc(p.tx.books.passkeys.mine(p.tx), func(k key, v access.Passkey) bool {
		theirs := k.tenant == tenant && v.Person == person
		if theirs {
			n++
		}
		return theirs
	})
	return n, nil
}

// principalKey names what a principal has one of.
type principalKey struct {
	tenant    access.TenantID
	principal access.PrincipalID
}

// recoverySet are the recovery codes of a principal.
type recoverySet struct {
	person access.PersonID
	codes  []store.SecretHash
}

// recoveryCodes implements store.RecoveryCodes.
type recoveryCodes struct{ tx *tx }

func (c recoveryCodes) Replace(tenant access.TenantID, principal access.PrincipalID, person access.PersonID, codes []store.SecretHash) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	for i, code := range codes {
		if slices.Contains(codes[:i], code) {
			return access.Errorf(access.KindConflict, "Two recovery codes are the same.")
		}
	}
	c.tx.books.recoveryCodes.mine(c.tx)[principalKey{tenant, principal}] = recoverySet{person, slices.Clone(codes)}
	return nil
}

func (c recoveryCodes) Use(tenant access.TenantID, principal access.PrincipalID, code store.SecretHash) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	k := principalKey{tenant, principal}
	set := c.tx.books.recoveryCodes.rows[k]
	i := slices.Index(set.codes, code)
	if i < 0 {
		return access.Errorf(access.KindNotFound, "There is no such recovery code.")
	}
	set.codes = slices.Concat(set.codes[:i], set.codes[i+1:])
	c.tx.books.recoveryCodes.mine(c.tx)[k] = set
	return nil
}

func (c recoveryCodes) Left(tenant access.TenantID, principal access.PrincipalID) (int, error) {
	return len(c.tx.books.recoveryCodes.rows[principalKey{tenant, principal}].codes), c.tx.mayRead()
}

func (c recoveryCodes) DeleteOf(tenant access.TenantID, person access.PersonID) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	maps.DeleteFunc(c.tx.books.recoveryCodes.mine(c.tx), func(k principalKey, v recoverySet) bool { return k.tenant == tenant && v.person == person })
	return nil
}

// ceremonies implements store.Ceremonies.
type ceremonies struct{ tx *tx }

func (c ceremonies) Insert(v store.Ceremony) error {
	if v.Principal.IsZero() || v.Until.IsZero() {
		return c.tx.refuse("The store refuses a ceremony of nobody, or without an end.")
	}
	if _, err := c.ByLink(v.Tenant, v.Link); err == nil {
		return access.Errorf(access.KindConflict, "There is a ceremony %.128q already.", v.ID)
	}
	v.Until, v.DoneAt, v.State, v.Version = whole(v.Until), whole(v.DoneAt), bytes.Clone(v.State), 1
	return insert(c.tx, &c.tx.books.ceremonies, "ceremony", key{v.Tenant, string(v.ID)}, v)
}

func (c ceremonies) Get(tenant access.TenantID, id access.CeremonyID) (store.Ceremony, error) {
	return find(c.tx, c.tx.books.ceremonies.rows, "ceremony", key{tenant, string(id)})
}

func (c ceremonies) ByLink(tenant access.TenantID, link store.SecretHash) (store.Ceremony, error) {
	for k, v := range c.tx.books.ceremonies.rows {
		if k.tenant == tenant && v.Link == link {
			return v, c.tx.mayRead()
		}
	}
	return store.Ceremony{}, cmp.Or(c.tx.mayRead(), error(access.Errorf(access.KindNotFound, "This link leads to nothing.")))
}

func (c ceremonies) Update(v store.Ceremony) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	k := key{v.Tenant, string(v.ID)}
	stored, there := c.tx.books.ceremonies.rows[k]
	if !there || stored.Version != v.Version || !stored.DoneAt.IsZero() {
		return movedOn("ceremony", string(v.ID))
	}
	stored.State, stored.DoneAt = bytes.Clone(v.State), whole(v.DoneAt)
	stored.Version++
	c.tx.books.ceremonies.mine(c.tx)[k] = stored
	return nil
}

func (c ceremonies) DeleteEnded(tenant access.TenantID, at time.Time, limit int) (n int, err error) {
	if err := c.tx.mayWrite(); err != nil {
		return 0, err
	}
	rows := c.tx.books.ceremonies.mine(c.tx)
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b key) int { return cmp.Compare(a.id, b.id) }) {
		if n < clampLimit(limit) && k.tenant == tenant && !rows[k].Until.After(at) {
			delete(rows, k)
			n++
		}
	}
	return n, nil
}

func (c ceremonies) DeleteOf(tenant access.TenantID, person access.PersonID) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	maps.DeleteFunc(c.tx.books.ceremonies.mine(c.tx), func(k key, v store.Ceremony) bool { return k.tenant == tenant && v.Person == person })
	return nil
}

// confirmations implements store.Confirmations.
type confirmations struct{ tx *tx }

func (c confirmations) Insert(v access.Confirmation) error {
	k := key{v.Tenant, string(v.Request)}
	if err := refer(c.tx, c.tx.books.requests.rows, "request", k); err != nil {
		return err
	}
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	if v.Principal.IsZero() || len(v.Hash) != 32 || len(v.Nonce) != 32 || len(v.Signature) == 0 {
		return c.tx.refuse("The store refuses a confirmation by nobody, or of nothing.")
	}
	given := c.tx.books.confirmations.rows[k]
	if slices.ContainsFunc(given, func(other access.Confirmation) bool { return other.Review == v.Review }) {
		return access.Errorf(access.KindConflict, "There is a confirmation of request %.128q already.", v.Request)
	}
	v.At = whole(v.At)
	given = append(slices.Clip(given), v)
	slices.SortFunc(given, func(a, b access.Confirmation) int { return cmp.Compare(a.Review, b.Review) })
	c.tx.books.confirmations.mine(c.tx)[k] = given
	return nil
}

func (c confirmations) List(tenant access.TenantID, request access.RequestID) ([]access.Confirmation, error) {
	return slices.Clone(c.tx.books.confirmations.rows[key{tenant, string(request)}]), c.tx.mayRead()
}

func (r redactions) Confirmation(tenant access.TenantID, request access.RequestID, review access.ReviewID) error {
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(request)}
	rows := r.tx.books.confirmations.mine(r.tx)
	rows[k] = slices.DeleteFunc(slices.Clone(rows[k]), func(c access.Confirmation) bool { return c.Review == review })
	return nil
}
