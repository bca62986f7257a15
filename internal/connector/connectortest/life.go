package connectortest

import (
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func lifeCases() []Case {
	return []Case{
		{Name: "check finds a healthy target", run: checkHealthy},
		{Name: "discover names what can be asked for", run: discoverNames},
		{Name: "discover and list stop when nobody listens", run: streamsStop},
		{Name: "prepare changes nothing", run: prepareChangesNothing},
		{Name: "access works after grant and not before", run: worksAfterGrant},
		{Name: "a grant makes nothing but what bears its mark", needs: []Capability{ownObject}, run: grantIsMarked},
		{Name: "a grant gives its entitlement and no other", run: grantIsNarrow},
		{Name: "access is gone after revoke", run: goneAfterRevoke},
		{Name: "grant twice is the same access", run: grantTwice},
		{Name: "revoke twice", run: revokeTwice},
		{Name: "revoke without grant", run: revokeWithoutGrant},
		{Name: "revoke by another process, from the plan alone", run: revokeElsewhere},
		{Name: "a refined plan may be lost", needs: []Capability{ownObject}, run: refinedPlanLost},
		{Name: "a late order has no effect", needs: []Capability{ownObject}, run: lateOrder},
		{Name: "what is listed can be removed by what the list says", needs: []Capability{marks}, run: removedByList},
		{Name: "close, then use", run: closeThenUse},
	}
}

func checkHealthy(l *law) {
	health, err := l.d.Check(l.ctx())
	if err != nil {
		l.Fatalf("Check: %v", err)
	}
	if s := health.Skew.Abs(); s > connector.DefaultSkewLimit {
		l.Errorf("Check says that the clocks are %v apart", s)
	}
}

func discoverNames(l *law) {
	found := map[string]access.Resource{}
	for r, err := range l.d.Discover(l.ctx()) {
		if err != nil {
			l.Fatalf("Discover: %v", err)
		}
		if _, twice := found[r.Name]; twice {
			l.Errorf("Discover yields %q twice", r.Name)
		}
		found[r.Name] = r
	}
	for _, e := range []access.Entitlement{l.h.Entitlement, l.h.Another} {
		if !slices.Contains(found[e.Resource].Permissions, e.Permission) {
			l.Errorf("Discover does not yield %s", e)
		}
	}
}

func streamsStop(l *law) {
	l.give(l.order(l.h.Entitlement))
	for _, err := range l.d.Discover(l.ctx()) {
		if err != nil {
			l.Fatalf("Discover: %v", err)
		}
		break
	}
	for _, err := range l.d.List(l.ctx()) {
		if err != nil {
			l.Fatalf("List: %v", err)
		}
		break
	}
	// A driver that kept a connection or a lock for the listener who left shows it here.
	l.give(l.order(l.h.Entitlement))
}

func prepareChangesNothing(l *law) {
	before := l.h.Snapshot(l.TB)
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	if len(p.Atoms) == 0 {
		l.Error("the plan names no atom, so its removal could never be verified")
	}
	l.prepare(l.again(o))
	l.wantUnchanged(before, "after Prepare")
	l.wantListed(o.Mark, 0, "after Prepare")
}

func worksAfterGrant(l *law) {
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	l.takeBackAtEnd(o, p)
	l.wantState(granted{order: o, plan: p}, connector.Absent, "before Grant")
	g := l.grant(o, p)
	l.login(g, "after Grant")
	l.wantState(g, connector.Present, "after Grant")
	l.wantListed(o.Mark, 1, "after Grant")
}

func grantIsMarked(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	l.wantUnchanged(before, "after Grant, without what bears its mark", g.order.Mark)
	if l.h.Snapshot(l.TB) == before {
		l.Error("the snapshot does not show what Grant made: the harness is blind, and so would the law be")
	}
}

func grantIsNarrow(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	l.login(g, "after Grant")
	l.wantRefused(l.h.Another, g.credential(), "use of "+l.h.Another.String()+" with a grant of "+l.h.Entitlement.String())
	l.login(l.give(l.order(l.h.Another)), "after a Grant of "+l.h.Another.String())
}

func goneAfterRevoke(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	l.login(g, "after Grant").Close()
	l.revoke(g)
	l.wantGone(g, "after Revoke")
	l.tidy(g)
	l.wantListed(g.order.Mark, 0, "after Revoke")
	l.wantUnchanged(before, "after Revoke")
}

func grantTwice(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	again := l.grant(l.again(g.order), g.plan)
	l.login(again, "after a second Grant")
	l.wantListed(g.order.Mark, 1, "after a second Grant")
	l.revoke(g)
	l.wantGone(again, "after two Grants and one Revoke")
	l.tidy(g)
	l.wantUnchanged(before, "after two Grants and one Revoke")
}

func revokeTwice(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	l.revoke(g)
	l.revoke(g)
	l.wantGone(g, "after a second Revoke")
	l.tidy(g)
	l.wantUnchanged(before, "after a second Revoke")
}

func revokeWithoutGrant(l *law) {
	before := l.h.Snapshot(l.TB)
	o := l.order(l.h.Entitlement)
	g := granted{order: o, plan: l.prepare(o)}
	if r := l.revoke(g); r.SessionsEnded != 0 || r.Housekeeping != "" {
		l.Errorf("Revoke without a Grant reports work done or left: %+v", r)
	}
	l.wantState(g, connector.Absent, "after Revoke without Grant")
	l.wantUnchanged(before, "after Revoke without Grant")
}

func revokeElsewhere(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	l.d = l.open()
	l.wantState(g, connector.Present, "in another driver")
	l.revoke(g)
	l.wantGone(g, "after Revoke by another driver")
}

func refinedPlanLost(l *law) {
	first, second := l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Entitlement))
	if refined := second.outcome.Plan; refined != nil {
		second.plan = l.stored(*refined)
	}
	for _, g := range []granted{first, second} {
		l.wantState(g, connector.Present, "after Grant")
	}
	l.revoke(first)
	l.wantGoneBeside(first, "after Revoke")
	l.wantState(second, connector.Present, "after another grant's Revoke")
	l.revoke(second)
	l.wantGone(second, "after Revoke")
}

// grantedLate has an order come too late, which must change nothing, and then in time. It returns the late order as
// well, and what the target has now.
func (l *law) grantedLate() (g granted, late connector.Order, held string) {
	l.Helper()
	before := l.h.Snapshot(l.TB)
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	l.takeBackAtEnd(o, p)
	late = o
	late.ActBy = l.now().Add(-actWithin)
	_, err := l.d.Grant(l.ctx(), late, p)
	l.wantUnchanged(before, "after a Grant past its ActBy")
	l.wantKind(err, "Grant past its ActBy", access.KindTimeout)
	return l.grant(o, p), late, l.h.Snapshot(l.TB)
}

func lateOrder(l *law) {
	g, late, held := l.grantedLate()
	late.Deadline = g.order.Deadline.Add(life)
	err := l.d.Extend(l.ctx(), late, g.plan)
	l.wantUnchanged(held, "after an Extend past its ActBy")
	l.wantKind(err, "Extend past its ActBy", access.KindTimeout)

	late.Deadline = g.order.Deadline
	_, err = l.d.Grant(l.ctx(), late, g.plan)
	l.wantKind(err, "second Grant past its ActBy", access.KindTimeout)
	l.login(g, "after a second Grant that came past its ActBy")
}

func removedByList(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	found := l.list(g.order.Mark)
	if len(found) != 1 {
		l.Fatalf("List yields the mark %d times", len(found))
	}
	if !slices.Contains(found[0].Plan.Atoms, found[0].Atom) {
		l.Fatalf("the plan of what is listed does not name its atom: %+v", found[0].Plan)
	}
	l.d = l.open()
	// The order is all that can be known without books.
	orphan := granted{order: bare(l.again(connector.Order{Grant: g.order.Grant, Mark: g.order.Mark})), plan: l.stored(found[0].Plan)}
	l.wantState(orphan, connector.Present, "by what the list says")
	l.revoke(orphan)
	l.wantState(orphan, connector.Absent, "after Revoke by what the list says")
	l.wantGone(g, "after Revoke by what the list says")
	l.tidy(orphan)
	l.wantListed(g.order.Mark, 0, "after Revoke by what the list says")
	l.wantUnchanged(before, "after Revoke by what the list says")
}

func closeThenUse(l *law) {
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	d := l.open()
	if err := d.Close(); err != nil {
		l.Fatalf("Close: %v", err)
	}
	for _, call := range connector.Calls() {
		if err := invoke(l.ctx(), d, call, o, p); err == nil {
			l.Errorf("%s after Close: no error", call)
		}
	}
	l.wantState(granted{order: o, plan: p}, connector.Absent, "after calls on a closed driver")
}
