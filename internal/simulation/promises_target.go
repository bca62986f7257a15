package simulation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// othersStay: accounts and memberships that Curfew did not make, and the marks on them, stay as their owner left them.
func othersStay(w *World, _, now *state) string {
	for _, name := range sortedKeys(w.owner.accounts) {
		if got, there := now.others[name]; !there || got != w.owner.accounts[name] {
			return fmt.Sprintf("the account %s was %+v, and is %+v (there: %t)", name, w.owner.accounts[name], got, there)
		}
	}
	for _, name := range sortedKeys(now.others) {
		if _, known := w.owner.accounts[name]; !known {
			return fmt.Sprintf("the account %s was made without a mark", name)
		}
	}
	for _, r := range sortedRights(w.owner.members) {
		if mark, there := now.members[r]; !there || mark != w.owner.members[r] {
			return fmt.Sprintf("%s was given with the mark %q, and has %q (there: %t)", r, w.owner.members[r], mark, there)
		}
	}
	return ""
}

// rightsHeld: a right is at the target only while something holds it, and a grant that holds it has its plan in the books.
func rightsHeld(w *World, now *state) string {
	for _, r := range sortedRights(now.members) {
		held := w.isOwners(r) || w.strayAt(r)
		for _, g := range now.grants {
			held = held || now.planned[g.ID] && (w.holds(g, r) || isAttested(g) && slices.Contains(w.rightsOf(g), r))
		}
		if !held {
			return fmt.Sprintf("%s is at the target, and no grant with a plan holds it", r)
		}
	}
	return ""
}

// takenStays: what somebody removed at the target is not made again, and only of that a grant says that it was removed.
func takenStays(w *World, _, now *state) string {
	return each(now, func(g access.Grant) string {
		if _, there := now.accounts[g.ID]; there && w.owner.final[g.ID] && w.strays[g.ID] == nil {
			return fmt.Sprintf("the access of %s was removed at the target, and is there again", g.ID)
		}
		taken := isForgotten(g) || w.owner.robbed[g.ID] || slices.ContainsFunc(w.rightsOf(g), func(r right) bool { return w.owner.taken[r] })
		return wrongf(g.EndReason == access.EndRemovedAtTarget && !taken, "%s is %s because of a removal at the target, and nobody removed anything", g.ID, g.State)
	})
}

// missing lists the active grants some of whose access is not at the target.
func (w *World) missing(s *state) (list []access.GrantID) {
	for _, id := range sortedKeys(s.grants) {
		if s.grants[id].State == access.GrantActive && w.lacks(s, s.grants[id]) {
			list = append(list, id)
		}
	}
	return list
}

func (w *World) lacks(s *state, g access.Grant) bool {
	if !w.shared() {
		_, there := s.accounts[g.ID]
		return !there
	}
	return slices.ContainsFunc(w.rightsOf(g), func(r right) bool {
		_, there := s.members[r]
		return !there
	})
}

// checkCompared holds a comparison that met with no trouble to its promise: of the grants whose access was missing before
// it began, none goes on. Those that are about to expire may.
func (w *World) checkCompared(missing []access.GrantID) {
	now, err := w.look()
	if err != nil {
		w.breaks("the store answers", "%v", err)
		return
	}
	for _, id := range missing {
		w.reached["found missing"]++
		if g := now.grants[id]; g.State == access.GrantActive && w.lacks(&now, g) && now.now.Add(maxSkew+maxSkew).Before(g.Deadline) {
			w.breaks("a grant whose access was removed at the target ends", "%s is active after a comparison", id)
		}
	}
}

// ownAccountOnly: where people have accounts of their own, who asked gets access there, and who has none gets nothing.
func ownAccountOnly(w *World, _, now *state) string {
	if !w.shared() {
		return ""
	}
	return each(now, func(g access.Grant) string {
		switch {
		case isForgotten(g):
			return wrongf(g.Account != "", "%s of somebody who is forgotten is for the account %q", g.ID, g.Account)
		case g.Principal != id(enginetest.Alice) && g.Principal != id(frank):
			return fmt.Sprintf("%s is for %s, who has no account", g.ID, g.Principal)
		}
		return wrongf(!g.ActivatedAt.IsZero() && g.Account != g.Principal.Subject, "%s of %s is for the account %q", g.ID, g.Principal, g.Account)
	})
}

// endedIsExplained: when a grant ends, each of its rights is not there, or kept_by says what holds it, or it is just being
// given to another grant.
func endedIsExplained(w *World, before, now *state) string {
	return each(now, func(g access.Grant) string {
		if g.State != access.GrantEnded || isAttested(g) || g.ActivatedAt.IsZero() || before.grants[g.ID].State == access.GrantEnded {
			return ""
		}
		kept := strings.Fields(g.KeptBy)
		for _, r := range w.rightsOf(g) {
			if _, there := now.members[r]; !there || w.owner.amid[r] == string(g.ID) {
				continue // somebody else gave or took it while it was this grant's turn: it may have read what was there before
			}
			if w.isOrdered(now, r) {
				continue // it may have been gone when it was read, and come with an order of that grant's since
			}
			if !slices.ContainsFunc(kept, func(by string) bool { return w.keeps(now, by, r) }) {
				return fmt.Sprintf("%s has ended, %s is at the target, and is kept by %q", g.ID, r, g.KeptBy)
			}
		}
		return ""
	})
}

// isOrdered reports whether a grant that is being activated holds the right: an order to give it may arrive at any moment.
func (w *World) isOrdered(now *state, r right) bool {
	return slices.ContainsFunc(sortedKeys(now.grants), func(id access.GrantID) bool {
		g := now.grants[id]
		return g.State == access.GrantActivating && w.holds(g, r)
	})
}

// keeps reports whether what kept_by names holds the right. A grant that is on its way out still does: it was live when the
// right was read, and takes it with it.
func (w *World) keeps(now *state, by string, r right) bool {
	if by == access.KeptByStanding {
		return w.isOwners(r) || w.strayAt(r)
	}
	return w.holds(now.grants[access.GrantID(by)], r)
}

// foundIsOver: what is found to be ours and too much is no live grant's.
func foundIsOver(_ *World, before, now *state) string {
	for _, id := range sortedKeys(now.findings) {
		f := now.findings[id]
		if _, known := before.findings[id]; known {
			continue
		}
		g, there := now.grants[f.Grant]
		if f.Kind == access.FindingOrphan && there || f.Kind == access.FindingAfterEnd && g.State != access.GrantEnded {
			return fmt.Sprintf("the finding %s of %s is about a grant that is %q", id, f.Kind, g.State)
		}
	}
	return ""
}

func sortedRights[V any](m map[right]V) []right {
	list := make([]right, 0, len(m))
	for r := range m {
		list = append(list, r)
	}
	slices.SortFunc(list, compareRights)
	return list
}
