package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// reviewedByOthers asks the directory who somebody is, whatever the review says. Neither whose request it is nor who asked for
// it, by the books or by what the simulation knows, reviews it, in their own stead or another's, and nobody does in the stead of
// either.
func reviewedByOthers(w *World, before, now *state) string {
	for _, id := range sortedKeys(now.requests) {
		r := now.requests[id]
		excluded := w.parties(r)
		for _, rv := range newReviews(before, now, id) {
			switch {
			case slices.Contains(excluded, w.people.personOf(rv.Reviewer)):
				return fmt.Sprintf("%s of %s, asked for by %q, was reviewed by %s of the same person", id, r.Principal, r.AskedBy, rv.Reviewer)
			case !rv.InSteadOf.IsZero() && slices.Contains(excluded, w.people.personOf(rv.InSteadOf)):
				return fmt.Sprintf("%s of %s, asked for by %q, was reviewed in the stead of %s of the same person", id, r.Principal, r.AskedBy, rv.InSteadOf)
			}
		}
	}
	return ""
}

// parties are the persons whose request it is, who asked for it, and for whom an agent did.
func (w *World) parties(r access.Request) (persons []access.PersonID) {
	for _, party := range []access.PrincipalID{r.Principal, r.AskedBy, r.ActsFor, w.askers[r.ID]} {
		if !party.IsZero() {
			persons = append(persons, w.people.personOf(party))
		}
	}
	return persons
}

// newReviews are those of a request since the state before.
func newReviews(before, now *state, id access.RequestID) []access.Review {
	return now.reviews[id][min(len(before.reviews[id]), len(now.reviews[id])):]
}

// standsThere: who agrees is one of those whom the policies name, or reviews in the stead of one by a delegation in force. The
// fall-back begins when its time has come, and not before.
func standsThere(w *World, before, now *state) string {
	for _, id := range sortedKeys(now.requests) {
		for _, rv := range newReviews(before, now, id) {
			if rv.Verdict != access.Approve {
				continue
			}
			if wrong := w.standsAs(rv, now.requests[id], now); wrong != "" {
				return fmt.Sprintf("%s was reviewed by %s at %s: %s", id, rv.Reviewer, rv.At, wrong)
			}
		}
	}
	return ""
}

// standsAs says what is wrong with the seat of a new review.
func (w *World) standsAs(rv access.Review, r access.Request, now *state) string {
	stands := func(id access.PrincipalID) bool { return mayStand(w.known(now, id), r, rv.At) }
	if rv.Delegation == "" {
		return wrongf(!stands(rv.Reviewer), "no stage has them")
	}
	d := now.delegations[rv.Delegation]
	switch {
	case d.Absent != rv.InSteadOf || w.people.personOf(d.Delegate) != w.people.personOf(rv.Reviewer):
		return fmt.Sprintf("the delegation %s is from %s to %s, and not from %s", d.ID, d.Absent, d.Delegate, rv.InSteadOf)
	case !d.Holds(rv.At):
		return fmt.Sprintf("the delegation %s was not in force", d.ID)
	}
	return wrongf(!stands(d.Absent), "no stage has %s, in whose stead it was", d.Absent)
}

// known is somebody as the books have them; a zero principal, whom no stage has, when they have left.
func (w *World) known(now *state, id access.PrincipalID) access.Principal {
	for _, p := range now.profiles {
		if p.ID == id && p.GoneAt.IsZero() {
			return p.Principal
		}
	}
	if id.Issuer != access.StaticIssuer {
		return access.Principal{}
	}
	return w.people.who(id.Subject)
}

// begunOnReviews: when access begins, as many persons as it needs have agreed who may still say so. The word of a delegate is
// worth nothing when the delegation is over, and nobody's is who has left.
func begunOnReviews(w *World, before, now *state) string {
	return each(now, func(g access.Grant) string {
		if g.ActivatedAt.IsZero() || !before.grants[g.ID].ActivatedAt.IsZero() {
			return ""
		}
		counted := w.countApprovals(now, now.requests[g.Request], g.ActivatedAt)
		return wrongf(counted < approvals(g.Entitlement), "%s began at %s on the word of %d persons, and needs %d", g.ID, g.ActivatedAt, counted, approvals(g.Entitlement))
	})
}

// countApprovals counts the persons whose word is good when access begins; at any later moment, which is the zero time, it
// does not matter whether a delegation is over. A seat counts once, whoever takes it, and that of whose request it is by now does
// not count at all, whoever they were when they agreed.
func (w *World) countApprovals(now *state, r access.Request, at time.Time) int {
	taken := w.parties(r)
	counted := 0
	for _, rv := range now.reviews[r.ID] {
		seat := rv.Reviewer
		if rv.Delegation != "" {
			seat = rv.InSteadOf
		}
		persons := []access.PersonID{w.people.personOf(rv.Reviewer), w.people.personOf(seat)}
		over := rv.Delegation != "" && !at.IsZero() && !now.delegations[rv.Delegation].Holds(at)
		left := w.known(now, rv.Reviewer).ID.IsZero() || !mayStand(w.known(now, seat), r, rv.At)
		again := slices.ContainsFunc(persons, func(p access.PersonID) bool { return slices.Contains(taken, p) })
		if rv.Verdict == access.Approve && !over && !left && !again {
			taken = append(taken, persons...)
			counted++
		}
	}
	return counted
}

// leftIsOver: once what somebody has was decided again after they left, or had lost their groups, nothing of it begins or
// goes on, and no request of theirs waits.
func leftIsOver(_ *World, _, now *state) string {
	for _, id := range sortedKeys(now.profiles) {
		p := now.profiles[id]
		if isUndecided(p) || p.GoneAt.IsZero() && p.InGroup(source+"/engineering") {
			continue
		}
		wrong := each(now, func(g access.Grant) string {
			out := g.State == access.GrantRevoking || g.State == access.GrantEnded
			return wrongf(g.Principal == p.ID && !out, "%s of %s is %s, who left at %s", g.ID, p.ID, g.State, p.ToldAt)
		})
		if wrong != "" {
			return wrong
		}
		for _, id := range sortedKeys(now.requests) {
			if r := now.requests[id]; r.Principal == p.ID && isPending(r) {
				return fmt.Sprintf("%s of %s waits, who left at %s", id, p.ID, p.ToldAt)
			}
		}
	}
	return ""
}

// wordsOfThoseWhoLeft: once that somebody left, or leads no more, was taken into account, nothing lives on for which too few
// persons are left who may say so.
func wordsOfThoseWhoLeft(w *World, _, now *state) string {
	for _, p := range now.profiles {
		if isUndecided(p) {
			return ""
		}
	}
	return each(now, func(g access.Grant) string {
		if g.ActivatedAt.IsZero() || g.State == access.GrantRevoking || g.State == access.GrantEnded {
			return ""
		}
		counted := w.countApprovals(now, now.requests[g.Request], time.Time{})
		return wrongf(counted < approvals(g.Entitlement), "%s is %s on the word of %d persons, and needs %d", g.ID, g.State, counted, approvals(g.Entitlement))
	})
}
