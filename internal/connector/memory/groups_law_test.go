package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

func TestLawOfGroups(t *testing.T) {
	for _, p := range []connector.Provenance{connector.MarkedRight, connector.BareRight} {
		t.Run(string(p), func(t *testing.T) { connectortest.Run(t, newGroupHarness(newGroupTarget(), p)) })
	}
}

// newGroupTarget is a target with two entitlements that have a group in common, and accounts.
func newGroupTarget() *Target {
	t := NewTarget(Options{
		Name:  "target",
		Clock: &handClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		Resources: []access.Resource{
			{Name: "orders", Permissions: []string{"read", "write"}},
			{Name: "users", Permissions: []string{"read"}},
		},
		Groups: map[string][]string{"orders:write": {"orders:read", "orders:write"}},
	})
	for _, name := range []string{"alice-account", "standing"} {
		if err := t.AddAccount(Account{Name: name}, ""); err != nil {
			panic(err)
		}
	}
	t.AddMember(Member{Account: "standing", Group: "orders:read"})
	return t
}

// newGroupHarness is the law's view of a target with memberships.
func newGroupHarness(target *Target, p connector.Provenance) *connectortest.Harness {
	h := newHarness(target)
	clock := target.clock.(*handClock)
	h.Open = func(testing.TB) connector.Driver { return target.GroupDriver(clock, p) }
	h.Traits = target.GroupType(p).Traits
	h.Account = "alice-account"
	h.Login = func(_ context.Context, e access.Entitlement, _ access.Credential) (connectortest.Session, error) {
		return groupUse{target, h.Account, rightOf(e)}, nil
	}
	h.Give = func(t testing.TB, a access.Atom) {
		target.AddMember(Member{Account: a.Account, Group: a.Right})
		t.Cleanup(func() { target.RemoveMember(a.Account, a.Right) })
	}
	h.MakeForeign = func(t testing.TB, mark access.Mark) {
		target.AddMember(Member{Account: "standing", Group: "users:read", Mark: mark})
		t.Cleanup(func() { target.RemoveMember("standing", "users:read") })
	}
	h.MakeObject, h.Standing = nil, nil
	h.Without = map[connectortest.Capability]string{
		connectortest.MakeObject: "memberships own nothing", connectortest.Standing: "memberships have no sessions",
	}
	if p == connector.BareRight {
		h.MakeForeign, h.Without[connectortest.MakeForeign] = nil, "memberships bear no mark"
	}
	return h
}

// groupUse is the use of a membership, which there are no sessions of.
type groupUse struct {
	target         *Target
	account, group string
}

func (u groupUse) Use(context.Context) error {
	if !u.target.IsMember(u.account, u.group) {
		return fmt.Errorf("%w: %s is no member of %s", connectortest.ErrRefused, u.account, u.group)
	}
	return nil
}

func (groupUse) Close() {}
