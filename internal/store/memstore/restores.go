package memstore

import (
	"bytes"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// restores implements store.Restores.
type restores struct{ tx *tx }

func (s restores) Insert(r store.Restore) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	r.At, r.TakenAt, r.SettledAt = whole(r.At), whole(r.TakenAt), time.Time{}
	r.VoidTokens, r.MAC = slices.Clone(r.VoidTokens), bytes.Clone(r.MAC)
	list := s.tx.books.restores.rows[r.Tenant]
	at, there := slices.BinarySearchFunc(list, r.At, func(o store.Restore, at time.Time) int { return o.At.Compare(at) })
	if there {
		return access.Errorf(access.KindConflict, "There is a restore of tenant %.128q at this moment already.", r.Tenant)
	}
	s.tx.books.restores.mine(s.tx)[r.Tenant] = slices.Insert(slices.Clone(list), at, r)
	return nil
}

func (s restores) List(tenant access.TenantID) ([]store.Restore, error) {
	return slices.Clone(s.tx.books.restores.rows[tenant]), s.tx.mayRead()
}

func (s restores) Settle(tenant access.TenantID, at, settled time.Time) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	list := slices.Clone(s.tx.books.restores.rows[tenant])
	i := slices.IndexFunc(list, func(r store.Restore) bool { return r.At.Equal(whole(at)) && r.SettledAt.IsZero() })
	if i < 0 {
		return movedOn("restore of tenant", string(tenant))
	}
	list[i].SettledAt = whole(settled)
	s.tx.books.restores.mine(s.tx)[tenant] = list
	return nil
}
