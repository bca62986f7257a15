package memstore

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// keys implements store.Keys.
type keys struct{ tx *tx }

func (k keys) List(tenant access.TenantID) ([]store.Key, error) {
	return slices.Clone(k.tx.books.keys.rows[tenant]), k.tx.mayRead()
}

func (k keys) Insert(key store.Key) error {
	if err := k.tx.mayWrite(); err != nil {
		return err
	}
	list := k.tx.books.keys.rows[key.Tenant]
	next := 1
	if len(list) > 0 {
		next = list[len(list)-1].Generation + 1
	}
	if key.Generation != next {
		return access.Errorf(access.KindConflict, "There is a next key of tenant %.128q already.", key.Tenant)
	}
	key.MadeAt, key.IdleSince = whole(key.MadeAt), whole(key.IdleSince)
	key.Sealing, key.Authentication = bytes.Clone(key.Sealing), bytes.Clone(key.Authentication)
	k.tx.books.keys.mine(k.tx)[key.Tenant] = append(slices.Clone(list), key)
	return nil
}

// change has fn change one generation. When fn refuses, or there is none, it has moved on.
func (k keys) change(tenant access.TenantID, generation int, fn func(*store.Key) bool) error {
	if err := k.tx.mayWrite(); err != nil {
		return err
	}
	list := slices.Clone(k.tx.books.keys.rows[tenant])
	i := slices.IndexFunc(list, func(key store.Key) bool { return key.Generation == generation })
	if i < 0 || !fn(&list[i]) {
		return movedOn("key of tenant", string(tenant))
	}
	k.tx.books.keys.mine(k.tx)[tenant] = list
	return nil
}

func (k keys) Rewrap(was, now store.Key) error {
	return k.change(was.Tenant, was.Generation, func(key *store.Key) bool {
		same := bytes.Equal(key.Authentication, was.Authentication) && bytes.Equal(key.Sealing, was.Sealing)
		key.Wrapper, key.Sealing, key.Authentication = now.Wrapper, bytes.Clone(now.Sealing), bytes.Clone(now.Authentication)
		return same
	})
}

func (k keys) SetIdle(tenant access.TenantID, generation int, since time.Time) error {
	return k.change(tenant, generation, func(key *store.Key) bool {
		key.IdleSince = whole(since)
		return true
	})
}

func (k keys) Uses(tenant access.TenantID, generation, limit int) (u store.KeyUses, err error) {
	for id, p := range k.tx.books.plans.rows {
		if id.tenant == tenant && p.Generation == generation {
			u.Plans++
		}
	}
	for id, c := range k.tx.books.configurations.rows {
		if id.tenant == tenant && c.text.Generation == generation {
			u.Configurations++
		}
	}
	for id, g := range k.tx.books.grants.rows {
		if id.tenant == tenant && g.MarkGeneration == generation && (g.State != access.GrantEnded || !g.DueAt.IsZero()) {
			u.Grants++
		}
	}
	held := k.held()
	for id, a := range k.tx.books.atoms.rows {
		if id.tenant == tenant && a.MarkGeneration == generation && held[id] {
			u.Rights++
		}
	}
	for _, r := range k.tx.books.restores.rows[tenant] {
		if r.KeyGeneration == generation {
			u.Restores++
		}
	}
	u.Log = k.logUnder(tenant, generation)
	for _, count := range []*int{&u.Plans, &u.Configurations, &u.Grants, &u.Rights, &u.Restores, &u.Log} {
		*count = min(*count, max(limit, 1))
	}
	return u, k.tx.mayRead()
}

// logUnder counts what is behind the tree of the log, with a position and without, and its head.
func (k keys) logUnder(tenant access.TenantID, generation int) (n int) {
	under := func(noted int) bool { return noted == 0 || noted == generation }
	b := &k.tx.books
	head, numbered := b.logHeads.rows[tenant], b.events.rows[tenant]
	for _, r := range slices.Concat(numbered[min(int(head.Size), len(numbered)):], b.unsequenced.rows[tenant]) {
		if r.MAC != nil && under(r.MACGeneration) {
			n++
		}
	}
	if head.Size > 0 && under(head.KeyGeneration) {
		n++
	}
	return n
}

// held are the rights that a grant holds.
func (k keys) held() map[atomKey]bool {
	held := map[atomKey]bool{}
	for id, h := range k.tx.books.holdings.rows {
		for _, a := range h.atoms {
			if h.dropped.IsZero() {
				held[atomKey{id.tenant, h.connector, a}] = true
			}
		}
	}
	return held
}

func (k keys) DestroySealing(tenant access.TenantID, generation int) error {
	u, err := k.Uses(tenant, generation, 1)
	if err != nil {
		return err
	}
	return k.change(tenant, generation, func(key *store.Key) bool {
		may := len(key.Sealing) > 0 && !u.Sealed() && !k.isNewest(*key)
		key.Sealing = nil
		return may
	})
}

func (k keys) Destroy(tenant access.TenantID, generation int) error {
	u, err := k.Uses(tenant, generation, 1)
	if err != nil {
		return err
	}
	err = k.change(tenant, generation, func(key *store.Key) bool { return u.None() && !k.isNewest(*key) })
	if err == nil {
		rows := k.tx.books.keys.mine(k.tx)
		rows[tenant] = slices.DeleteFunc(rows[tenant], func(key store.Key) bool { return key.Generation == generation })
	}
	return err
}

func (k keys) isNewest(key store.Key) bool {
	list := k.tx.books.keys.rows[key.Tenant]
	return list[len(list)-1].Generation == key.Generation
}

// seals reports whether a generation still does.
func (t *tx) seals(tenant access.TenantID, generation int) bool {
	return slices.ContainsFunc(t.books.keys.rows[tenant], func(key store.Key) bool {
		return key.Generation == generation && len(key.Sealing) > 0
	})
}

// plans implements store.Plans.
type plans struct{ tx *tx }

func (p plans) Put(tenant access.TenantID, grant access.GrantID, sealed store.Sealed) error {
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	if !p.tx.seals(tenant, sealed.Generation) {
		return access.Errorf(access.KindConflict, "Generation %d of the keys seals no more; seal it anew.", sealed.Generation)
	}
	k := key{tenant, string(grant)}
	if err := refer(p.tx, p.tx.books.grants.rows, "grant", k); err != nil {
		return err
	}
	p.tx.books.plans.mine(p.tx)[k] = store.Sealed{Generation: sealed.Generation, Bytes: bytes.Clone(sealed.Bytes)}
	return nil
}

func (p plans) Get(tenant access.TenantID, grant access.GrantID) ([]byte, error) {
	sealed, err := find(p.tx, p.tx.books.plans.rows, "plan of grant", key{tenant, string(grant)})
	return sealed.Bytes, err
}

func (p plans) SealedBefore(tenant access.TenantID, generation, limit int) ([]store.SealedPlan, error) {
	var items []store.SealedPlan
	for k, sealed := range p.tx.books.plans.rows {
		if k.tenant == tenant && sealed.Generation < generation {
			items = append(items, store.SealedPlan{Grant: access.GrantID(k.id), Sealed: sealed})
		}
	}
	slices.SortFunc(items, func(a, b store.SealedPlan) int {
		return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Grant, b.Grant))
	})
	return items[:min(len(items), clampLimit(limit))], p.tx.mayRead()
}

func (p plans) Reseal(tenant access.TenantID, was store.SealedPlan, now store.Sealed) error {
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(was.Grant)}
	stored, there := p.tx.books.plans.rows[k]
	if !there || !bytes.Equal(stored.Bytes, was.Bytes) || !p.tx.seals(tenant, now.Generation) {
		return movedOn("plan of grant", string(was.Grant))
	}
	p.tx.books.plans.mine(p.tx)[k] = store.Sealed{Generation: now.Generation, Bytes: bytes.Clone(now.Bytes)}
	return nil
}
