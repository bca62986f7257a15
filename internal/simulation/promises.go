package simulation

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

func acceptedIsKept(w *World, before, now *state) string {
	for _, id := range w.accepted {
		if _, there := now.requests[id]; !there {
			return fmt.Sprintf("%s was accepted and is not in the books", id)
		}
	}
	for id := range before.grants {
		if _, there := now.grants[id]; !there {
			return fmt.Sprintf("%s is not in the books any more", id)
		}
	}
	return ""
}

// decidedFirst: a request that is approved had its decision and its reviews, and a grant whose clock has started was
// decided once more.
func decidedFirst(_ *World, _, now *state) string {
	for _, id := range sortedKeys(now.requests) {
		r := now.requests[id]
		if now.decisions[id] == 0 {
			return fmt.Sprintf("%s has no decision", id)
		}
		if r.State != access.RequestApproved {
			continue
		}
		need := 0
		for _, e := range r.Entitlements {
			need = max(need, approvals(e))
		}
		var persons []access.PersonID
		for _, rv := range now.reviews[id] {
			if rv.Verdict == access.Approve && !slices.Contains(persons, rv.Person) {
				persons = append(persons, rv.Person)
			}
		}
		if len(persons) < need {
			return fmt.Sprintf("%s was approved by %d persons, and needs %d", id, len(persons), need)
		}
		if need > 0 && !r.SettledAt.Before(r.LapsesAt) {
			return fmt.Sprintf("%s was approved at %s, after it had lapsed at %s", id, r.SettledAt, r.LapsesAt)
		}
	}
	return each(now, func(g access.Grant) string {
		return wrongf(!g.ActivatedAt.IsZero() && now.decisions[g.Request] < 2, "%s was activated and not decided again", g.ID)
	})
}

func oneGrantEach(_ *World, _, now *state) string {
	found := map[access.RequestID][]access.Entitlement{}
	for _, id := range sortedKeys(now.grants) {
		g := now.grants[id]
		if slices.Contains(found[g.Request], g.Entitlement) {
			return fmt.Sprintf("%s has two grants for %s", g.Request, g.Entitlement)
		}
		found[g.Request] = append(found[g.Request], g.Entitlement)
	}
	for _, id := range sortedKeys(now.requests) {
		want := 0
		if r := now.requests[id]; r.State == access.RequestApproved {
			want = len(r.Entitlements)
		}
		if len(found[id]) != want {
			return fmt.Sprintf("%s is %s and has %d grants, want %d", id, now.requests[id].State, len(found[id]), want)
		}
	}
	return ""
}

// planned: the undo is written before the do.
func planned(w *World, _, now *state) string {
	for _, id := range sortedKeys(now.accounts) {
		if w.strays[id] != nil {
			continue
		}
		g, there := now.grants[id]
		if !there || g.ActivatedAt.IsZero() || !now.planned[id] {
			return fmt.Sprintf("the account %s is at the target; its grant %q is %q, with a plan: %t", now.accounts[id].Name, id, g.State, now.planned[id])
		}
	}
	return rightsHeld(w, now)
}

func statesFollow(_ *World, before, now *state) string {
	for _, id := range sortedKeys(before.requests) {
		from, to := before.requests[id].State, now.requests[id].State
		if from != to && !from.CanBecome(to) {
			return fmt.Sprintf("%s went from %s to %s", id, from, to)
		}
	}
	return each(now, func(g access.Grant) string {
		was, known := before.grants[g.ID]
		if !known {
			return wrongf(g.State != access.GrantScheduled, "%s began as %s", g.ID, g.State)
		}
		return wrongf(was.State != g.State && !was.State.CanBecome(g.State), "%s went from %s to %s", g.ID, was.State, g.State)
	})
}

// deadlineStays: it moves once it was promised, to where it was promised, and never past the longest that the policies
// give from the start.
func deadlineStays(_ *World, before, now *state) string {
	return each(now, func(g access.Grant) string {
		was, known := before.grants[g.ID]
		begun := !was.ActivatedAt.IsZero()
		extended := begun && !was.ExtendTo.IsZero() && g.ExtendTo.IsZero() && g.Deadline.Equal(was.ExtendTo)
		asked := now.requests[g.Request].Duration
		switch {
		case begun && !extended && !was.Deadline.Equal(g.Deadline), begun && !was.ActivatedAt.Equal(g.ActivatedAt):
			return fmt.Sprintf("%s was until %s, and is until %s", g.ID, was.Deadline, g.Deadline)
		case !g.Deadline.IsZero() && g.Deadline.After(g.ActivatedAt.Add(g.Duration)):
			return fmt.Sprintf("%s began at %s for %s, and is until %s", g.ID, g.ActivatedAt, g.Duration, g.Deadline)
		case !g.ExtendTo.IsZero() && !g.ExtendTo.After(g.Deadline):
			return fmt.Sprintf("%s is until %s, and promised until %s", g.ID, g.Deadline, g.ExtendTo)
		case !known && asked > 0 && g.Duration > asked, g.Duration > longest(g.Entitlement):
			return fmt.Sprintf("%s was asked for %s and is for %s", g.ID, asked, g.Duration)
		}
		return wrongf(known && !extended && g.Duration > was.Duration, "%s was for %s and is for %s", g.ID, was.Duration, g.Duration)
	})
}

func nativeExpiry(w *World, _, now *state) string {
	for _, id := range sortedKeys(now.accounts) {
		a, g := now.accounts[id], now.grants[id]
		late := a.Expiry.After(g.Deadline) && a.Expiry.After(g.ExtendTo)
		if !isAttested(g) && w.strays[id] == nil && (a.Expiry.IsZero() || late) {
			return fmt.Sprintf("the account of %s expires at %s, and its deadline is %s", id, a.Expiry, g.Deadline)
		}
	}
	return ""
}

func credentialGone(_ *World, _, now *state) string {
	return each(now, func(g access.Grant) string {
		return wrongf(now.sealed[g.ID] && g.State != access.GrantActive, "%s is %s, and its credential is in the store", g.ID, g.State)
	})
}

// liveStays: but for the owner nobody takes access away, other than the engine in revoking, and not before the deadline
// when that is why.
func liveStays(w *World, _, now *state) string {
	return each(now, func(g access.Grant) string {
		if g.State != access.GrantActive && !isAnnounced(g, now.now) {
			return wrongf(g.EndReason == access.EndExpired && g.State == access.GrantEnded && g.VerifiedAt.Before(g.Deadline),
				"%s expired at %s and was read back at %s", g.ID, g.Deadline, g.VerifiedAt)
		}
		for _, r := range w.rightsOf(g) {
			if _, there := now.members[r]; !there && !w.owner.missing[r] && !w.owner.overtaken[r] {
				return fmt.Sprintf("%s is %s, and %s is not at the target", g.ID, g.State, r)
			}
		}
		_, there := now.accounts[g.ID]
		return wrongf(!w.shared() && !there && !w.owner.robbed[g.ID], "%s is %s until %s, and its access is not at the target", g.ID, g.State, g.Deadline)
	})
}

// endedIsGone: nothing is at the target, nothing can still come there, no session is open, somebody looked, and what is
// known of the grant's life never changes again.
func endedIsGone(w *World, before, now *state) string {
	return each(now, func(g access.Grant) string {
		if g.State != access.GrantEnded || isAttested(g) {
			return ""
		}
		if _, there := now.accounts[g.ID]; there && w.strays[g.ID] == nil {
			return fmt.Sprintf("%s has ended, and its access is at the target", g.ID)
		}
		if w.mayStillAct(g.ID) {
			return fmt.Sprintf("%s has ended, and an order to grant it can still be carried out", g.ID)
		}
		for _, s := range w.opened {
			if s.grant == g.ID && s.Use(g.Entitlement.Resource, g.Entitlement.Permission) == nil {
				return fmt.Sprintf("%s has ended, and a session under it is open", g.ID)
			}
		}
		if !g.ActivatedAt.IsZero() && (g.VerifiedAt.Before(g.ActivatedAt) || g.VerifiedBy == "") {
			return fmt.Sprintf("%s has ended, verified at %s by %q", g.ID, g.VerifiedAt, g.VerifiedBy)
		}
		was := before.grants[g.ID]
		return wrongf(was.State == access.GrantEnded && life(was) != life(g), "%s had ended and has changed", g.ID)
	})
}

// life is what is final when a grant has ended.
func life(g access.Grant) [9]any {
	return [9]any{g.ExtendTo, g.State, g.EndReason, g.Deadline, g.EndedAt, g.VerifiedAt, g.VerifiedBy, g.ResidualUntil, g.SessionsEnded}
}
