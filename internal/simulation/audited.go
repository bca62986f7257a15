package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/auditor"
)

// audited compares what has changed since the state before with what was entered since: each change has its entry, and
// no entry speaks of what did not change. Checks come between any two commits, so the two belong to one transaction.
func audited(_ *World, before, now *state) string {
	var want []entry
	for _, id := range sortedKeys(now.requests) {
		r, was := now.requests[id], before.requests[id].State
		if was == "" {
			want = append(want, entry{Kind: access.EventRequestSubmitted, Request: id, To: string(access.RequestPending)})
			was = access.RequestPending
		}
		if was != r.State {
			want = append(want, entry{Kind: access.EventKind("request." + string(r.State)), Request: id, From: string(was), To: string(r.State)})
		}
		for range len(now.reviews[id]) - len(before.reviews[id]) {
			want = append(want, entry{Kind: access.EventRequestReviewed, Request: id})
		}
	}
	for _, id := range sortedKeys(now.grants) {
		want = append(want, changesOf(id, before, now)...)
	}
	want = append(want, findingsOpenedAndClosed(before, now)...)
	want = append(want, keysMadeAndDestroyed(before, now)...)
	want = append(want, delegationsBegunAndEnded(before, now)...)
	want = append(want, peopleComeAndGone(before, now)...)
	want = append(want, sessionsBegun(before, now)...)
	left := append(want, freezesBegunAndLifted(before, now)...)
	for _, e := range now.entries {
		if !changesState(e) || e.Kind == access.EventSessionEnded {
			continue
		}
		i := slices.Index(left, e)
		if i < 0 {
			return fmt.Sprintf("the entry %v speaks of what has not changed", e)
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		return fmt.Sprintf("no entry %v", left[0])
	}
	return sessionsEnded(before, now)
}

// changesOf are the entries that a grant must have by what has become of it.
func changesOf(id access.GrantID, before, now *state) (want []entry) {
	g, was := now.grants[id], before.grants[id]
	of := func(kind access.EventKind) entry { return entry{Kind: kind, Request: g.Request, Grant: id} }
	for range len(now.attestations[id]) - len(before.attestations[id]) {
		want = append(want, of(access.EventGrantAttested))
	}
	switch {
	case was.State != g.State:
		e := of(access.EventKind("grant." + string(g.State)))
		e.From, e.To = string(was.State), string(g.State)
		want = append(want, e)
	case g.State == access.GrantRevoking && was.EndReason != g.EndReason: // it was to end in a moment, and ends at once
		e := of(access.EventGrantRevoking)
		e.From, e.To = string(g.State), string(g.State)
		want = append(want, e)
	case was.ExtendTo.IsZero() && !g.ExtendTo.IsZero():
		want = append(want, of(access.EventGrantExtending))
	case !was.Deadline.Equal(g.Deadline):
		want = append(want, of(access.EventGrantExtended))
	}
	return want
}

// freezesBegunAndLifted are the entries of freezes that came, and of those that went.
func freezesBegunAndLifted(before, now *state) (want []entry) {
	has := func(s *state, f access.Freeze) bool {
		return slices.ContainsFunc(s.freezes, func(o access.Freeze) bool { return o.ID == f.ID })
	}
	for _, f := range now.freezes {
		if !has(before, f) {
			want = append(want, entry{Kind: access.EventFreezeBegun})
		}
	}
	for _, f := range before.freezes {
		if !has(now, f) {
			want = append(want, entry{Kind: access.EventFreezeLifted})
		}
	}
	return want
}

// findingsOpenedAndClosed are the entries of findings that came, and of those that are closed.
func findingsOpenedAndClosed(before, now *state) (want []entry) {
	for _, id := range sortedKeys(now.findings) {
		f, was := now.findings[id], before.findings[id].State
		if was == "" {
			want = append(want, entry{Kind: access.EventFindingOpened, Grant: f.Grant, To: string(access.FindingOpen)})
			was = access.FindingOpen
		}
		if was != f.State {
			want = append(want, entry{Kind: access.EventKind("finding." + string(f.State)), Grant: f.Grant, To: string(f.State)})
		}
	}
	return want
}

// delegationsBegunAndEnded are the entries of delegations that came, and of those that were ended early.
func delegationsBegunAndEnded(before, now *state) (want []entry) {
	for _, id := range sortedKeys(now.delegations) {
		d := now.delegations[id]
		was, known := before.delegations[id]
		if !known {
			want = append(want, entry{Kind: access.EventDelegationBegun})
		}
		if was.EndedAt.IsZero() && !d.EndedAt.IsZero() && !isErased(d) {
			want = append(want, entry{Kind: access.EventDelegationEnded})
		}
	}
	return want
}

// peopleComeAndGone are the entries of whom the source has told something new.
func peopleComeAndGone(before, now *state) (want []entry) {
	for _, id := range sortedKeys(now.profiles) {
		p := now.profiles[id]
		was, known := before.profiles[id]
		var kind access.EventKind
		switch {
		case !known:
			kind = access.EventPrincipalAdded
		case was.GoneAt.IsZero() && !p.GoneAt.IsZero():
			kind = access.EventPrincipalGone
		case !was.GoneAt.IsZero() && p.GoneAt.IsZero():
			kind = access.EventPrincipalReturned
		case was.Person != p.Person:
			kind = namedAnew(before, p.Person)
		case !was.Equal(p.Principal):
			kind = access.EventPrincipalChanged
		default:
			continue
		}
		want = append(want, entry{Kind: kind})
	}
	return want
}

// numberedInTurn: positions go up by one, so a reader with a cursor misses nothing.
func numberedInTurn(_ *World, before, now *state) string {
	last := before.position
	for _, p := range now.numbered {
		if p != last+1 {
			return fmt.Sprintf("after the position %d comes %d", last, p)
		}
		last = p
	}
	return ""
}

// treeGrows: a checkpoint is of entries that are there, and of no fewer than the one before.
func treeGrows(_ *World, before, now *state) string {
	if now.integrated < before.integrated || now.integrated > now.position {
		return fmt.Sprintf("the tree has %d entries, after %d, of a log of %d", now.integrated, before.integrated, now.position)
	}
	return ""
}

// verifyLog holds the whole log against the newest checkpoint. The key of its beginning is enough, whatever was rotated.
func (w *World) verifyLog(n *node) {
	report, err := auditor.Verify(context.Background(), w.books, auditor.Options{
		Tenant: access.DefaultTenant, Origin: n.engine.LogOrigin(), Keys: []string{w.firstKey},
	})
	switch {
	case err != nil:
		w.breaks("the log verifies", "%v", err)
	case len(report.Problems) > 0:
		w.breaks("the log verifies", "entries %d to %d: %s", report.Problems[0].From, report.Problems[0].To, report.Problems[0].What)
	}
}

// changesState tells entries of changes of state from those about failed attempts, credentials, who signs the log, and who was
// forgotten.
func changesState(e entry) bool {
	switch e.Kind {
	case access.EventGrantFailed, access.EventCredentialIssued, access.EventCredentialFetched, access.EventLogKeyChanged,
		access.EventPersonForgotten:
		return false
	default:
		return true
	}
}
