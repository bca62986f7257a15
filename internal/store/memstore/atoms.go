package memstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// atoms implements store.Atoms.
type atoms struct{ tx *tx }

// atomKey names a right, whatever queue the lane says.
type atomKey struct {
	tenant    access.TenantID
	connector access.ConnectorName
	atom      access.Atom
}

func keyOf(lane store.Lane, a access.Atom) atomKey { return atomKey{lane.Tenant, lane.Connector, a} }

// holding is what a grant holds, or held until it was dropped.
type holding struct {
	connector access.ConnectorName
	atoms     []access.Atom
	dropped   time.Time
}

func (t atoms) Lease(lane store.Lane, a access.Atom, holder string, end time.Time) (store.Atom, store.Turn, error) {
	if err := t.tx.mayWrite(); err != nil {
		return store.Atom{}, store.TurnRefused, err
	}
	end = whole(end)
	if holder == "" || !end.After(t.tx.now) {
		return store.Atom{}, store.TurnRefused, access.Errorf(access.KindInvalid, "a turn needs a holder and an end after now")
	}
	k := keyOf(lane, a)
	atom, there := t.tx.books.atoms.rows[k]
	if !there {
		atom = store.Atom{Lane: store.Lane{Tenant: lane.Tenant, Connector: lane.Connector}, Atom: a}
	}
	turn := store.TurnBegun
	switch {
	case atom.Lease == "" || !atom.LeaseEnd.After(t.tx.now):
		atom.Lease, atom.LeasedAt, atom.LeaseEnd = holder, t.tx.now, end
	case atom.Lease == holder:
		turn = store.TurnContinued
		if end.After(atom.LeaseEnd) {
			atom.LeaseEnd = end
		}
	default:
		return atom, store.TurnRefused, nil
	}
	atom.Fence++
	t.tx.books.atoms.mine(t.tx)[k] = atom
	return atom, turn, nil
}

// turn finds the right if the turn that a was read in is still the last one.
func (t atoms) turn(a store.Atom) (stored store.Atom, same bool) {
	stored, there := t.tx.books.atoms.rows[keyOf(a.Lane, a.Atom)]
	return stored, there && stored.Lease == a.Lease && stored.Fence == a.Fence
}

func (t atoms) Release(a store.Atom) error {
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	if stored, same := t.turn(a); same {
		stored.Lease, stored.LeasedAt, stored.LeaseEnd = "", time.Time{}, time.Time{}
		t.tx.books.atoms.mine(t.tx)[keyOf(a.Lane, a.Atom)] = stored
	}
	return nil
}

func (t atoms) Settle(a store.Atom) error {
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	stored, same := t.turn(a)
	if !same || !stored.LeaseEnd.After(t.tx.now) {
		return access.Errorf(access.KindConflict, "The turn of %.128q at this right is over.", a.Lease)
	}
	stored.Standing, stored.Maker, stored.MarkGeneration = a.Standing, a.Maker, a.MarkGeneration
	t.tx.books.atoms.mine(t.tx)[keyOf(a.Lane, a.Atom)] = stored
	return nil
}

func (t atoms) Hold(lane store.Lane, grant access.GrantID, held []access.Atom) error {
	k := key{lane.Tenant, string(grant)}
	if err := refer(t.tx, t.tx.books.grants.rows, "grant", k); err != nil {
		return err
	}
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	t.tx.books.holdings.mine(t.tx)[k] = holding{connector: lane.Connector, atoms: slices.Clone(held)}
	return nil
}

func (t atoms) Drop(tenant access.TenantID, grant access.GrantID) error {
	if err := t.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(grant)}
	if h, there := t.tx.books.holdings.rows[k]; there && h.dropped.IsZero() {
		h.dropped = t.tx.now
		t.tx.books.holdings.mine(t.tx)[k] = h
	}
	return nil
}

func (t atoms) Holders(lane store.Lane, a access.Atom) ([]access.Grant, error) {
	var holders []access.Grant
	for k, h := range t.tx.books.holdings.rows {
		g := t.tx.books.grants.rows[k]
		if k.tenant == lane.Tenant && h.connector == lane.Connector && h.dropped.IsZero() && slices.Contains(h.atoms, a) &&
			g.State != access.GrantEnded {
			holders = append(holders, g)
		}
	}
	slices.SortFunc(holders, func(a, b access.Grant) int { return cmp.Compare(a.ID, b.ID) })
	return holders, t.tx.mayRead()
}

func (t atoms) Dropped(lane store.Lane, since time.Time, limit int) ([]store.Dropped, error) {
	type drop struct {
		store.Dropped
		at time.Time
	}
	var drops []drop
	for k, h := range t.tx.books.holdings.rows {
		if k.tenant != lane.Tenant || h.connector != lane.Connector || h.dropped.IsZero() || h.dropped.Before(whole(since)) {
			continue
		}
		for _, a := range h.atoms {
			drops = append(drops, drop{store.Dropped{Grant: access.GrantID(k.id), Atom: a}, h.dropped})
		}
	}
	slices.SortFunc(drops, func(a, b drop) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.Grant, a.Grant), cmp.Compare(b.Target, a.Target), cmp.Compare(b.Account, a.Account),
			cmp.Compare(b.Right, a.Right))
	})
	var items []store.Dropped
	for _, d := range drops[:min(len(drops), clampLimit(limit))] {
		items = append(items, d.Dropped)
	}
	return items, t.tx.mayRead()
}
