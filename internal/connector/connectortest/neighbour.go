package connectortest

import (
	"github.com/curfewhq/curfew/internal/connector"
)

func neighbourCases() []Case {
	return []Case{
		{Name: "overlapping grants of one principal are independent", needs: []Capability{ownObject}, run: overlappingGrants},
		{Name: "another installation's marks are listed and left alone",
			needs: []Capability{MakeForeign}, run: foreignMarksSurvive},
		{Name: "objects that the user made do not block removal", needs: []Capability{ownObject, MakeObject}, run: objectsDoNotBlock},
	}
}

func overlappingGrants(l *law) {
	before := l.h.Snapshot(l.TB)
	older, newer := l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Entitlement))
	s := l.login(newer, "in the newer grant")
	l.login(older, "in the older grant")
	l.wantListed(older.order.Mark, 1, "with two grants")
	l.wantListed(newer.order.Mark, 1, "with two grants")

	l.revoke(older)
	l.wantGoneBeside(older, "the older grant after its Revoke")
	l.wantState(newer, connector.Present, "the newer grant after the older one's Revoke")
	l.wantUse(s, "the newer grant's session after the older one's Revoke")
	l.login(newer, "the newer grant's log-in after the older one's Revoke")

	l.revoke(newer)
	l.wantGone(newer, "the newer grant after its Revoke")
	l.tidy(older)
	l.tidy(newer)
	l.wantUnchanged(before, "after both Revokes")
}

func foreignMarksSurvive(l *law) {
	foreign := mark("elsewhere", "0000000000000000000000ours")
	l.h.MakeForeign(l.TB, foreign)
	l.wantListed(foreign, 1, "before Grant")
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	l.wantListed(g.order.Mark, 1, "after Grant")
	l.wantListed(foreign, 1, "after Grant")
	l.revoke(g)
	l.tidy(g)
	l.wantListed(g.order.Mark, 0, "after Revoke")
	l.wantListed(foreign, 1, "after Revoke")
	l.wantUnchanged(before, "after Revoke")
}

func objectsDoNotBlock(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	s := l.login(g, "after Grant")
	l.h.MakeObject(l.TB, g.credential())
	l.revoke(g)
	l.wantGone(g, "after Revoke, with an object that the user made")
	if l.h.Traits.EndsSessions {
		l.wantEnded(s, "session after Revoke, with an object that the user made")
	}
	l.tidy(g)
	l.wantListed(g.order.Mark, 0, "after tidying")
	l.wantGone(g, "after tidying")
}
