package memstore

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// provisionedKey names what a source has provisioned.
type provisionedKey struct {
	source store.Source
	id     string
}

// provisioned implements store.Provisioned.
type provisioned struct{ tx *tx }

// ownResource is a resource that shares nothing with the caller's.
func ownResource(v store.ProvisionedResource) store.ProvisionedResource {
	v.Document, v.CreatedAt, v.ChangedAt = bytes.Clone(v.Document), whole(v.CreatedAt), whole(v.ChangedAt)
	return v
}

func (p provisioned) Put(v store.ProvisionedResource) error {
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	if v.Kind != store.ProvisionedUser && v.Kind != store.ProvisionedGroup || v.Name == "" || v.Key == "" || v.Source.Name == "" {
		return p.tx.refuse("The store refuses a %.32q without a name or a source.", v.Kind)
	}
	k := provisionedKey{v.Source, v.ID}
	stored, there := p.tx.books.provisioned.rows[k]
	switch {
	case v.Version == 0 && there:
		return access.Errorf(access.KindConflict, "There is a %s %.128q already.", v.Kind, v.ID)
	case v.Version > 0 && (!there || stored.Kind != v.Kind):
		return access.Errorf(access.KindNotFound, "There is no %s %.128q.", v.Kind, v.ID)
	case v.Version > 0 && stored.Version != v.Version:
		return movedOn(string(v.Kind), v.ID)
	}
	for other, r := range p.tx.books.provisioned.rows {
		if other.source == v.Source && r.Kind == v.Kind && r.Key == v.Key && other != k {
			return access.Errorf(access.KindConflict, "There is a %s %.128q already.", v.Kind, v.Name)
		}
	}
	v = ownResource(v)
	if there {
		v.CreatedAt = stored.CreatedAt
	}
	v.Version++
	p.tx.books.provisioned.mine(p.tx)[k] = v
	return nil
}

func (p provisioned) Get(source store.Source, kind store.ProvisionedKind, id string) (store.ProvisionedResource, error) {
	if err := p.tx.mayRead(); err != nil {
		return store.ProvisionedResource{}, err
	}
	v, there := p.tx.books.provisioned.rows[provisionedKey{source, id}]
	if !there || v.Kind != kind {
		return store.ProvisionedResource{}, access.Errorf(access.KindNotFound, "There is no %s %.128q.", kind, id)
	}
	return ownResource(v), nil
}

// selected lists the keys of what the filter selects, in their order.
func (p provisioned) selected(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter) (keys []provisionedKey) {
	for k, v := range p.tx.books.provisioned.rows {
		if k.source == source && v.Kind == kind && (f.ID == "" || k.id == f.ID) && (f.Key == "" || v.Key == f.Key) &&
			(f.ExternalID == "" || v.ExternalID == f.ExternalID) && (f.Member == "" || p.tx.books.memberships.rows[k][f.Member]) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b provisionedKey) int { return cmp.Compare(a.id, b.id) })
	return keys
}

func (p provisioned) List(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter, s store.Stretch) (
	items []store.ProvisionedResource, err error,
) {
	skip, limit := max(s.Skip, 0), clampLimit(s.Limit)
	for _, k := range p.selected(source, kind, f) {
		switch {
		case k.id <= s.After:
		case skip > 0:
			skip--
		case len(items) < limit:
			items = append(items, ownResource(p.tx.books.provisioned.rows[k]))
		}
	}
	return items, p.tx.mayRead()
}

func (p provisioned) Count(source store.Source, kind store.ProvisionedKind, f store.ProvisionedFilter) (int, error) {
	return len(p.selected(source, kind, f)), p.tx.mayRead()
}

func (p provisioned) Delete(source store.Source, kind store.ProvisionedKind, id string) error {
	if _, err := p.Get(source, kind, id); err != nil {
		return err
	}
	if err := p.tx.mayWrite(); err != nil {
		return err
	}
	k := provisionedKey{source, id}
	for _, group := range p.selected(source, store.ProvisionedGroup, store.ProvisionedFilter{Member: id}) {
		if _, err := (memberships)(p).Remove(source, group.id, []string{id}); err != nil {
			return err
		}
	}
	delete(p.tx.books.memberships.mine(p.tx), k)
	delete(p.tx.books.staleUsers.mine(p.tx), k)
	delete(p.tx.books.provisioned.mine(p.tx), k)
	return nil
}

// memberships implements store.Memberships.
type memberships struct{ tx *tx }

// change calls fn with a copy of the group's members for each of the users, and counts what it changed.
func (m memberships) change(source store.Source, group string, users []string, fn func(members map[string]bool, user string) error) (int, error) {
	if err := m.tx.mayWrite(); err != nil {
		return 0, err
	}
	if len(users) > store.MaxMembers {
		return 0, access.Errorf(access.KindInvalid, "One call changes %d memberships at most, and this one names %d.", store.MaxMembers, len(users))
	}
	k := provisionedKey{source, group}
	members := maps.Clone(m.tx.books.memberships.rows[k])
	if members == nil {
		members = map[string]bool{}
	}
	before := len(members)
	for _, user := range users {
		if err := fn(members, user); err != nil {
			return 0, err
		}
	}
	m.tx.books.memberships.mine(m.tx)[k] = members
	return max(len(members)-before, before-len(members)), nil
}

func (m memberships) Add(source store.Source, group string, users []string) (int, error) {
	if _, err := (provisioned)(m).Get(source, store.ProvisionedGroup, group); err != nil {
		return 0, err
	}
	return m.change(source, group, users, func(members map[string]bool, user string) error {
		members[user] = true
		_, err := (provisioned)(m).Get(source, store.ProvisionedUser, user)
		return err
	})
}

func (m memberships) Remove(source store.Source, group string, users []string) (int, error) {
	return m.change(source, group, users, func(members map[string]bool, user string) error {
		delete(members, user)
		return nil
	})
}

func (m memberships) Members(source store.Source, group, after string, limit int) (list []string, err error) {
	for _, user := range slices.Sorted(maps.Keys(m.tx.books.memberships.rows[provisionedKey{source, group}])) {
		if user > after && len(list) < min(max(limit, 1), store.MaxMembers) {
			list = append(list, user)
		}
	}
	return list, m.tx.mayRead()
}

func (m memberships) Count(source store.Source, group string) (int, error) {
	return len(m.tx.books.memberships.rows[provisionedKey{source, group}]), m.tx.mayRead()
}

func (m memberships) GroupsOf(source store.Source, users ...string) (map[string][]store.GroupName, error) {
	if len(users) > store.MaxRequests {
		return nil, access.Errorf(access.KindInvalid, "One call reads of %d users at most, and this one names %d.", store.MaxRequests, len(users))
	}
	of := map[string][]store.GroupName{}
	for _, user := range slices.Compact(slices.Sorted(slices.Values(users))) {
		for _, k := range (provisioned)(m).selected(source, store.ProvisionedGroup, store.ProvisionedFilter{Member: user}) {
			of[user] = append(of[user], store.GroupName{ID: k.id, Name: m.tx.books.provisioned.rows[k].Name})
		}
	}
	return of, m.tx.mayRead()
}

// stale is a place in the queue of users.
type stale struct {
	less  bool
	since int64
}

// staleUsers implements store.StaleUsers.
type staleUsers struct{ tx *tx }

func (s staleUsers) Add(source store.Source, less bool, users []string) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	if len(users) > store.MaxMembers {
		return access.Errorf(access.KindInvalid, "One call adds %d users at most, and this one names %d.", store.MaxMembers, len(users))
	}
	rows := s.tx.books.staleUsers.mine(s.tx)
	for _, user := range users {
		if s.tx.books.provisioned.rows[provisionedKey{source, user}].Kind != store.ProvisionedUser {
			continue
		}
		v, there := rows[provisionedKey{source, user}]
		if !there {
			v.since = access.Micros(s.tx.now)
		}
		v.less = v.less || less
		rows[provisionedKey{source, user}] = v
	}
	return nil
}

func (s staleUsers) AddMembers(source store.Source, group string) error {
	return s.Add(source, true, slices.Collect(maps.Keys(s.tx.books.memberships.rows[provisionedKey{source, group}])))
}

func (s staleUsers) Next(source store.Source, limit int) (list []store.Stale, err error) {
	rows := s.tx.books.staleUsers.rows
	rank := func(v stale) int {
		if v.less {
			return 0
		}
		return 1
	}
	keys := slices.SortedFunc(maps.Keys(rows), func(a, b provisionedKey) int {
		return cmp.Or(cmp.Compare(rank(rows[a]), rank(rows[b])), cmp.Compare(rows[a].since, rows[b].since), cmp.Compare(a.id, b.id))
	})
	for _, k := range keys {
		if k.source == source && len(list) < clampLimit(limit) {
			list = append(list, store.Stale{Source: source, User: k.id, Less: rows[k].less})
		}
	}
	return list, s.tx.mayRead()
}

func (s staleUsers) Remove(source store.Source, user string) error {
	if err := s.tx.mayWrite(); err != nil {
		return err
	}
	delete(s.tx.books.staleUsers.mine(s.tx), provisionedKey{source, user})
	return nil
}
