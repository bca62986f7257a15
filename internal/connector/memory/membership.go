package memory

import (
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// membership is an account's membership in a group.
type membership struct{ account, group string }

// Member is an account in a group, as the target's owner sees it.
type Member struct {
	Account, Group string
	// Mark is empty where no installation of Curfew wrote one.
	Mark access.Mark
}

// AddMember makes an account a member of a group behind Curfew's back, with the mark of another installation or none. A
// membership that is there takes on the mark.
func (t *Target) AddMember(m Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.members[membership{m.Account, m.Group}] = m.Mark
}

// RemoveMember ends a membership behind Curfew's back, and reports whether it was there.
func (t *Target) RemoveMember(account, group string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, there := t.members[membership{account, group}]
	delete(t.members, membership{account, group})
	return there
}

// Members lists the memberships by account and group.
func (t *Target) Members() []Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Member, 0, len(t.members))
	for m, mark := range t.members {
		list = append(list, Member{Account: m.account, Group: m.group, Mark: mark})
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Group, b.Group))
	})
	return list
}

// IsMember reports whether the account is a member of the group now, which is all that using it takes.
func (t *Target) IsMember(account, group string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, there := t.members[membership{account, group}]
	return there
}

// IgnoreActBy lets the target carry out orders that come after their time, as one would that knows no such limit.
func (t *Target) IgnoreActBy(ignore bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ignoresActBy = ignore
}

// groupsOf are the groups that an entitlement stands for. The caller holds the lock.
func (t *Target) groupsOf(e access.Entitlement) []string {
	if groups := t.groups[rightOf(e)]; len(groups) > 0 {
		return groups
	}
	return []string{rightOf(e)}
}
