package simulation

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// accountRule gives everybody the account of their own name, but Mallory and the agent, who have none.
const accountRule = `principal.subject == "mallory" || principal.kind == "agent" ? "" : principal.subject`

// right is a membership: what several grants may share at a target that has groups.
type right struct{ account, group string }

// String is for traces.
func (r right) String() string { return fmt.Sprintf("%s in %s", r.account, r.group) }

func compareRights(a, b right) int {
	return slices.Compare([]string{a.account, a.group}, []string{b.account, b.group})
}

// groups are what an entitlement stands for at a target that has groups. To write and to read have one in common.
func groups() map[string][]string {
	return map[string][]string{"read": {"orders:read"}, "write": {"orders:read", "orders:write"}, "drop": {"orders:drop"}}
}

func groupNames() []string { return []string{"orders:read", "orders:write", "orders:drop"} }

// drawShape says what the target gives: a log-in for each grant, or memberships in groups, which bear a mark or none.
func drawShape(c *choices) connector.Provenance {
	return []connector.Provenance{connector.OwnObject, connector.BareRight, connector.MarkedRight}[c.among(2, 1, 1)]
}

// shared reports whether grants may share rights.
func (w *World) shared() bool { return w.shape != connector.OwnObject }

// openTarget builds the target, with the accounts that people have there.
func (w *World) openTarget() {
	o := memory.Options{
		Clock: w.targetClock, Random: w.random, Pass: w.atTarget, Groups: map[string][]string{},
		Resources: []access.Resource{{Name: "orders", Permissions: []string{"read", "write", "drop"}, Labels: map[string]string{"env": "prod"}}},
	}
	for permission, list := range w.setup.groups {
		o.Groups["orders:"+permission] = list
	}
	w.target = memory.NewTarget(o)
	if w.shared() {
		for _, name := range members() {
			w.addAccount(memory.Account{Name: name})
		}
	}
}

// members are whose memberships change. Bob asks for nothing, so his are nobody's business.
func members() []string { return []string{enginetest.Alice, enginetest.Bob, frank} }

// driver is a connection to the target.
func (w *World) driver(clock access.Clock) connector.Driver {
	if w.shared() {
		return w.target.GroupDriver(clock, w.shape)
	}
	return w.target.Driver(clock)
}

// connectorType says what the connector is to the engine.
func (w *World) connectorType() connector.Type {
	if w.shared() {
		return w.target.GroupType(w.shape)
	}
	return memory.Type()
}

// rightsOf are the memberships that a grant stands for; none where it has an object of its own.
func (w *World) rightsOf(g access.Grant) []right {
	if !w.shared() {
		return nil
	}
	var list []right
	for _, group := range w.setup.groups[g.Entitlement.Permission] {
		list = append(list, right{g.Principal.Subject, group})
	}
	return list
}

// holds reports whether a grant may have the right at the target: its clock has started, and it has not ended.
func (w *World) holds(g access.Grant, r right) bool {
	return g.State != access.GrantScheduled && g.State != access.GrantEnded && slices.Contains(w.rightsOf(g), r)
}
