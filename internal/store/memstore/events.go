package memstore

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// events implements store.Events.
type events struct{ tx *tx }

func (e events) Append(event store.EventRow) error {
	if err := e.tx.mayWrite(); err != nil {
		return err
	}
	b := &e.tx.books
	has := func(r store.EventRow) bool { return r.ID == event.ID }
	waiting := b.unsequenced.rows[event.Tenant]
	if slices.ContainsFunc(b.events.rows[event.Tenant], has) || slices.ContainsFunc(waiting, has) {
		return access.Errorf(access.KindConflict, "There is an event %.128q already.", event.ID)
	}
	gone := !slices.ContainsFunc(b.keys.rows[event.Tenant], func(k store.Key) bool { return k.Generation == event.MACGeneration })
	if event.MACGeneration > 0 && gone {
		return access.Errorf(access.KindUnavailable, "Generation %d of the keys is gone; authenticate the event anew.", event.MACGeneration)
	}
	event.Position, event.At = 0, whole(event.At)
	event.MAC = bytes.Clone(event.MAC)
	event.Leaf, event.Personal = bytes.Clone(event.Leaf), slices.Clone(event.Personal)
	// Clipped, because a transaction that failed may have appended to the same list before.
	waiting = append(slices.Clip(waiting), event)
	slices.SortFunc(waiting, func(a, b store.EventRow) int { return cmp.Compare(a.ID, b.ID) })
	b.unsequenced.mine(e.tx)[event.Tenant] = waiting
	return nil
}

func (e events) Sequence(tenant access.TenantID, limit int) (int, error) {
	if err := e.tx.mayWrite(); err != nil {
		return 0, err
	}
	b := &e.tx.books
	log, waiting := slices.Clip(b.events.rows[tenant]), b.unsequenced.rows[tenant]
	n := min(len(waiting), clampLimit(limit))
	for _, event := range waiting[:n] {
		event.Position = int64(len(log)) + 1
		log = append(log, event)
	}
	b.events.mine(e.tx)[tenant] = log
	b.unsequenced.mine(e.tx)[tenant] = waiting[n:]
	return n, nil
}

func (e events) Leaves(tenant access.TenantID, after int64, limit int) ([]store.EventRow, error) {
	rows := e.tx.books.events.rows[tenant]
	rows = rows[min(max(after, 0), int64(len(rows))):]
	var leaves []store.EventRow
	for _, r := range rows[:min(len(rows), clampLimit(limit))] {
		leaves = append(leaves, store.EventRow{Position: r.Position, ID: r.ID, Tenant: r.Tenant, Leaf: r.Leaf, MAC: r.MAC})
	}
	return leaves, e.tx.mayRead()
}

func (e events) Newest(tenant access.TenantID) (store.EventRow, error) {
	if err := e.tx.mayRead(); err != nil {
		return store.EventRow{}, err
	}
	rows := e.tx.books.events.rows[tenant]
	if len(rows) == 0 {
		return store.EventRow{}, access.Errorf(access.KindNotFound, "There is no event of tenant %.128q.", tenant)
	}
	newest := rows[len(rows)-1]
	newest.Personal = nil
	return newest, nil
}

func (e events) Unsequenced(tenant access.TenantID, limit int) ([]store.EventRow, error) {
	waiting := e.tx.books.unsequenced.rows[tenant]
	return slices.Clone(waiting[:min(len(waiting), clampLimit(limit))]), e.tx.mayRead()
}

func (e events) List(tenant access.TenantID, filter store.EventFilter, after int64, limit int) ([]store.EventRow, error) {
	if err := e.tx.mayRead(); err != nil {
		return nil, err
	}
	rows := e.tx.books.events.rows[tenant]
	var items []store.EventRow
	for _, r := range rows[min(max(after, 0), int64(len(rows))):] {
		if (filter.Request == "" || r.Request == filter.Request) && (filter.Grant == "" || r.Grant == filter.Grant) {
			items = append(items, r)
		}
		if len(items) == clampLimit(limit) {
			break
		}
	}
	return items, nil
}
