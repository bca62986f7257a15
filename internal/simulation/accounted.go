package simulation

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// accounted holds the findings to what a comparison at the end must have seen: everything at the target that the books
// do not explain, and nothing else.
func (w *World) accounted(now *state) {
	for _, id := range sortedKeys(w.strays) {
		s := w.strays[id]
		found := hasFinding(now, func(f access.Finding) bool {
			// What is looked at again because a grant has just ended is found by its right.
			return f.Kind == s.kind && (f.Mark == s.mark || f.Mark == "" && right{f.Atom.Account, f.Atom.Right} == s.right)
		})
		if !found && !s.touched && !s.removed {
			w.breaks("what is ours and too much is found", "nobody has found what was there of %s: %s", id, s.kind)
		}
	}
	marks := map[access.Mark]bool{}
	for _, a := range now.others {
		marks[a.Mark] = true
	}
	for _, m := range now.members {
		marks[m] = true
	}
	for _, m := range sortedKeys(marks) {
		if m != "" && !hasFinding(now, func(f access.Finding) bool { return isOpen(f) && f.Mark == m && f.Kind == kindOf(m) }) {
			w.breaks("what others made is found", "no finding is about the mark %s", m)
		}
	}
	w.explained(now)
	for _, id := range sortedKeys(now.findings) {
		f := now.findings[id]
		_, member := now.members[right{f.Atom.Account, f.Atom.Right}]
		if isOpen(f) && !member && !marks[f.Mark] {
			w.breaks("what is gone is no longer found", "the finding %s of %s is open", id, f.Kind)
		}
	}
}

// explained: a right that a grant had in the last day, and that is there, is standing access or is found.
func (w *World) explained(now *state) {
	var dropped []store.Dropped
	err := w.books.View(context.Background(), func(tx store.Tx) (err error) {
		lane := store.Lane{Tenant: access.DefaultTenant, Connector: connectorName}
		dropped, err = tx.Atoms().Dropped(lane, now.now.Add(-24*time.Hour), maxRows)
		return err
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
	for _, d := range dropped {
		r := right{d.Account, d.Right}
		if _, there := now.members[r]; !there || w.turnAt(r).Standing {
			continue
		}
		if !hasFinding(now, func(f access.Finding) bool { return isOpen(f) && f.Atom == d.Atom }) {
			w.breaks("what is put back is found", "%s is at the target, which the end of %s does not explain", r, d.Grant)
		}
	}
}

func hasFinding(s *state, is func(access.Finding) bool) bool {
	return slices.ContainsFunc(sortedKeys(s.findings), func(id access.FindingID) bool { return is(s.findings[id]) })
}

func isOpen(f access.Finding) bool { return f.State == access.FindingOpen }

// kindOf is what a mark is found to be that is not ours.
func kindOf(m access.Mark) access.FindingKind {
	if strings.HasPrefix(string(m), "curfew1:"+installation+":") {
		return access.FindingForged
	}
	return access.FindingForeign
}
