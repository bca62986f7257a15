package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// atoms implements store.Atoms.
type atoms struct{ tx *tx }

const (
	atomColumns = `tenant, connector, target, account, native_right, standing, maker, mark_generation, lease, leased_at, lease_end, fence`
	// whichAtom is the key of an atom, with the parameters of atomKey; whichTurn also wants its lease and fence.
	whichAtom = `tenant = $1 AND connector = $2 AND target = $3 AND account = $4 AND native_right = $5`
	whichTurn = whichAtom + ` AND lease = $6 AND fence = $7`
)

func atomKey(lane store.Lane, a access.Atom) []any {
	return []any{lane.Tenant, lane.Connector, a.Target, a.Account, a.Right}
}

func turnKey(a store.Atom) []any { return append(atomKey(a.Lane, a.Atom), a.Lease, a.Fence) }

func (t atoms) Lease(
	lane store.Lane, a access.Atom, holder string, end time.Time,
) (store.Atom, store.Turn, error) {
	now := t.tx.now
	if holder == "" || !end.After(now) {
		return store.Atom{}, store.TurnRefused, access.Errorf(access.KindInvalid, "a turn needs a holder and an end after now")
	}
	_, err := t.tx.exec(`
		INSERT INTO atoms (`+atomColumns+`) VALUES ($1, $2, $3, $4, $5, FALSE, '', 0, '', NULL, NULL, 0)
		ON CONFLICT DO NOTHING`, atomKey(lane, a)...)
	if err != nil {
		return store.Atom{}, store.TurnRefused, err
	}
	atom, err := queryOne(t.tx, scanAtom, notFound("right", a.Right),
		`SELECT `+atomColumns+` FROM atoms WHERE `+whichAtom, atomKey(lane, a)...)
	if err != nil {
		return store.Atom{}, store.TurnRefused, err
	}
	free := atom.Lease == "" || !atom.LeaseEnd.After(now)
	turn := store.TurnBegun
	switch {
	case free:
		atom.Lease, atom.LeasedAt, atom.LeaseEnd = holder, now, end
	case atom.Lease == holder:
		turn = store.TurnContinued
		if end.After(atom.LeaseEnd) {
			atom.LeaseEnd = end
		}
	default:
		return atom, store.TurnRefused, nil
	}
	atom.Fence++
	_, err = t.tx.exec(`UPDATE atoms SET lease = $6, fence = $7, leased_at = $8, lease_end = $9 WHERE `+whichAtom,
		append(turnKey(atom), micros(atom.LeasedAt), micros(atom.LeaseEnd))...)
	return atom, turn, err
}

func (t atoms) Release(a store.Atom) error {
	_, err := t.tx.exec(`UPDATE atoms SET lease = '', leased_at = NULL, lease_end = NULL WHERE `+whichTurn, turnKey(a)...)
	return err
}

func (t atoms) Settle(a store.Atom) error {
	n, err := t.tx.exec(`UPDATE atoms SET standing = $8, maker = $9, mark_generation = $10 WHERE `+whichTurn+` AND lease_end > $11`,
		append(turnKey(a), a.Standing, a.Maker, a.MarkGeneration, micros(t.tx.now))...)
	if err == nil && n == 0 {
		return access.Errorf(access.KindConflict, "The turn of %.128q at this right is over.", a.Lease)
	}
	return err
}

func (t atoms) Hold(lane store.Lane, grant access.GrantID, held []access.Atom) error {
	if _, err := t.tx.exec(`DELETE FROM grant_atoms WHERE tenant = $1 AND grant_id = $2`, lane.Tenant, grant); err != nil {
		return err
	}
	for _, a := range held {
		_, err := t.tx.exec(`
			INSERT INTO grant_atoms (tenant, connector, target, account, native_right, grant_id, dropped_at)
			VALUES ($1, $2, $3, $4, $5, $6, NULL)
			ON CONFLICT DO NOTHING`, append(atomKey(lane, a), grant)...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t atoms) Drop(tenant access.TenantID, grant access.GrantID) error {
	_, err := t.tx.exec(`
		UPDATE grant_atoms SET dropped_at = $3 WHERE tenant = $1 AND grant_id = $2 AND dropped_at IS NULL`,
		tenant, grant, micros(t.tx.now))
	return err
}

func (t atoms) Holders(lane store.Lane, a access.Atom) ([]access.Grant, error) {
	return queryAll(t.tx, scanGrant, `
		SELECT `+grantColumns+` FROM grants
		WHERE tenant = $1 AND state <> 'ended' AND id IN
			(SELECT grant_id FROM grant_atoms WHERE `+whichAtom+` AND dropped_at IS NULL)
		ORDER BY id`, atomKey(lane, a)...)
}

func (t atoms) Dropped(lane store.Lane, since time.Time, limit int) ([]store.Dropped, error) {
	return queryAll(t.tx, scanDropped, `
		SELECT grant_id, target, account, native_right FROM grant_atoms
		WHERE tenant = $1 AND connector = $2 AND dropped_at IS NOT NULL AND dropped_at >= $3
		ORDER BY dropped_at DESC, grant_id DESC, target DESC, account DESC, native_right DESC`+limitTo("$4"), lane.Tenant, lane.Connector, access.Micros(since), clampLimit(limit))
}

func scanAtom(r row) (a store.Atom, err error) {
	err = r.Scan(&a.Tenant, &a.Connector, &a.Target, &a.Account, &a.Right, &a.Standing, &a.Maker, countColumn{&a.MarkGeneration}, &a.Lease,
		timeColumn{&a.LeasedAt}, timeColumn{&a.LeaseEnd}, &a.Fence)
	return a, err
}

func scanDropped(r row) (d store.Dropped, err error) {
	err = r.Scan(&d.Grant, &d.Target, &d.Account, &d.Right)
	return d, err
}
