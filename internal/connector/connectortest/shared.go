package connectortest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// sharedCases are about rights that several grants may hold. Which grant's turn it is, and which of a plan's rights are to
// be made or removed, is for the engine to say; a driver does exactly that.
func sharedCases() []Case {
	needs := func(more ...Capability) []Capability { return append(more, sharedRight) }
	return []Case{
		{Name: "of a shared plan only what is handed over is made and removed", needs: needs(), run: onlyWhatIsHandedOver},
		{Name: "a right that somebody else gave is seen", needs: needs(), run: othersRightIsSeen},
		{Name: "a right that is foreign survives revoke", needs: needs(), run: foreignRightSurvives},
		{Name: "two grants of one right leave one right", needs: needs(), run: oneRightForTwo},
		{Name: "a late order about a shared right has no effect", needs: needs(), run: lateSharedOrder},
		{Name: "an account that is not there is refused", needs: needs(), run: strangeAccounts},
		{Name: "extend makes no shared right", needs: needs(), run: extendMakesNoRight},
		{Name: "an observer without sight never says absent of a shared right", needs: needs(Blind), run: blindToRights},
		{Name: "one right, granted and revoked at once", needs: needs(), run: oneRightAtOnce},
	}
}

// narrowed is the grant with some of its plan's atoms.
func (g granted) narrowed(atoms ...access.Atom) granted {
	g.plan.Atoms = atoms
	return g
}

// wider is an unmade grant of Another, with the atoms that Entitlement does not have.
func (l *law) wider() (g granted, narrow, rest []access.Atom) {
	l.Helper()
	narrow = l.prepare(l.order(l.h.Entitlement)).Atoms
	o := l.order(l.h.Another)
	g = granted{order: o, plan: l.prepare(o)}
	l.takeBackAtEnd(o, g.plan)
	for _, a := range g.plan.Atoms {
		if !slices.Contains(narrow, a) {
			rest = append(rest, a)
		}
	}
	if len(narrow) != 1 || len(rest) == 0 || len(rest)+1 != len(g.plan.Atoms) {
		l.Fatalf("the harness's Another stands for %+v and its Entitlement for %+v", g.plan.Atoms, narrow)
	}
	return g, narrow, rest
}

func onlyWhatIsHandedOver(l *law) {
	before := l.h.Snapshot(l.TB)
	g, narrow, rest := l.wider()
	l.grant(g.order, g.narrowed(narrow...).plan)
	l.wantState(g.narrowed(narrow...), connector.Present, "after a Grant of one right")
	l.wantState(g.narrowed(rest...), connector.Absent, "the other rights after a Grant of one")
	l.grant(l.again(g.order), g.plan)
	l.revoke(g.narrowed(narrow...))
	l.wantState(g.narrowed(narrow...), connector.Absent, "after a Revoke of one right")
	l.wantState(g.narrowed(rest...), connector.Present, "the other rights after a Revoke of one")
	l.revoke(g.narrowed(rest...))
	l.wantGone(g, "after a Revoke of all rights")
	l.wantUnchanged(before, "after a Revoke of all rights")
}

func othersRightIsSeen(l *law) {
	o := l.order(l.h.Entitlement)
	g := granted{order: o, plan: l.prepare(o)}
	l.h.Give(l.TB, g.plan.Atoms[0])
	l.wantState(g, connector.Present, "a right that an owner gave")
	if a := l.observe(g).Atoms[0]; !a.Foreign && l.h.Traits.Provenance == connector.MarkedRight {
		l.Errorf("a right without our mark is not foreign: %+v", a)
	}
	l.wantListed(o.Mark, 0, "with a right that an owner gave")
	before := l.h.Snapshot(l.TB)
	l.prepare(l.again(o))
	l.wantUnchanged(before, "after Prepare, with a right that an owner gave")
}

func foreignRightSurvives(l *law) {
	o := l.order(l.h.Entitlement)
	g := granted{order: o, plan: l.prepare(o)}
	l.h.Give(l.TB, g.plan.Atoms[0])
	if !l.observe(g).Atoms[0].Foreign {
		return // nobody can tell, and the engine does not ask for it to be removed
	}
	before := l.h.Snapshot(l.TB)
	l.revoke(g)
	l.wantUnchanged(before, "after a Revoke of what somebody else gave")
	l.wantState(g, connector.Present, "after a Revoke of what somebody else gave")
}

func oneRightForTwo(l *law) {
	before := l.h.Snapshot(l.TB)
	older := l.give(l.order(l.h.Entitlement))
	held := l.h.Snapshot(l.TB)
	newer := l.order(l.h.Entitlement)
	newer.Mark = older.order.Mark // the engine keeps to the mark of the grant that the right was made for
	p := l.prepare(newer)
	l.takeBackAtEnd(newer, p)
	l.grant(newer, p)
	l.wantUnchanged(held, "after a second Grant of the same right")
	l.wantListed(newer.Mark, 1, "after a second Grant of the same right")
	l.revoke(granted{order: newer, plan: p})
	l.wantGone(older, "after one Revoke")
	l.wantUnchanged(before, "after one Revoke")
}

func lateSharedOrder(l *law) {
	g, late, held := l.grantedLate()
	_, err := l.d.Revoke(l.ctx(), late, g.plan)
	l.wantUnchanged(held, "after a Revoke past its ActBy")
	l.wantKind(err, "Revoke past its ActBy", access.KindTimeout)
	l.revoke(g)
	l.wantGone(g, "after a Revoke in time")
}

func strangeAccounts(l *law) {
	before := l.h.Snapshot(l.TB)
	for _, name := range append(hostileNames(), variants(l.h.Account)...) {
		o := l.order(l.h.Entitlement)
		o.Account = name
		_, err := l.d.Prepare(l.ctx(), o)
		l.wantImpossible(err, fmt.Sprintf("Prepare for the account %q", name))
	}
	l.wantUnchanged(before, "after all accounts that are not there")
}

func extendMakesNoRight(l *law) {
	before := l.h.Snapshot(l.TB)
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	if err := l.d.Extend(l.ctx(), o, p); err == nil {
		l.Error("Extend of what is not there: no error")
	}
	l.wantUnchanged(before, "after Extend of what is not there")
	g := l.give(o)
	if err := l.d.Extend(l.ctx(), l.again(o), p); err != nil {
		l.Errorf("Extend: %v", err)
	}
	l.login(g, "after Extend")
}

func blindToRights(l *law) {
	o := l.order(l.h.Entitlement)
	p := l.prepare(o)
	for _, made := range []bool{false, true} {
		if made {
			l.give(o)
		}
		back := sync.OnceFunc(l.h.Blind(l.TB))
		l.Cleanup(back)
		// An error is as good as unknown: it does not end a grant either.
		seen, err := l.d.Observe(l.ctx(), bare(l.again(o)), p)
		if err == nil && seen.State() != connector.Unknown {
			l.Errorf("without sight Observe says %s of a right that is there: %t", seen.State(), made)
		}
		back()
	}
}

// oneRightAtOnce asks for the same from many sides: nothing breaks, and what is asked for last counts.
func oneRightAtOnce(l *law) {
	before := l.h.Snapshot(l.TB)
	g := l.give(l.order(l.h.Entitlement))
	ctx := l.ctx()
	l.inParallel(16, 8, "Grant", func(int) error {
		_, err := l.d.Grant(ctx, g.order, g.plan)
		return err
	})
	l.login(g, "after many Grants at once")
	l.inParallel(16, 8, "Revoke", func(int) error {
		_, err := l.d.Revoke(ctx, g.order, g.plan)
		return err
	})
	l.wantGone(g, "after many Revokes at once")
	l.wantUnchanged(before, "after many Revokes at once")
}
