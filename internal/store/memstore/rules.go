package memstore

import "github.com/curfewhq/curfew/internal/access"

// rules implements store.Rules.
type rules struct{ tx *tx }

func (r rules) Decided(tenant access.TenantID) (string, error) {
	return r.tx.books.rules.rows[tenant], r.tx.mayRead()
}

func (r rules) SetDecided(tenant access.TenantID, digest string) error {
	if err := r.tx.mayWrite(); err != nil {
		return err
	}
	r.tx.books.rules.mine(r.tx)[tenant] = digest
	return nil
}
