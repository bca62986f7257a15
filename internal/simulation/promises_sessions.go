package simulation

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// leaversAreOut: from the moment at which somebody has left they have no session, and a session is the person's whose it was.
func leaversAreOut(_ *World, _, now *state) string {
	for _, p := range now.profiles {
		for _, id := range sortedKeys(now.sessions) {
			switch s := now.sessions[id]; {
			case s.Principal != p.ID:
			case !p.GoneAt.IsZero():
				return fmt.Sprintf("%s of %s goes on, who left at %s", id, p.ID, p.GoneAt)
			case s.Person != p.Person:
				return fmt.Sprintf("%s of %s is the person %s's, who is %s", id, p.ID, s.Person, p.Person)
			}
		}
	}
	return ""
}

// sessionsBegun are the entries of sessions that came.
func sessionsBegun(before, now *state) (want []entry) {
	for _, id := range sortedKeys(now.sessions) {
		if _, known := before.sessions[id]; !known {
			want = append(want, entry{Kind: access.EventSessionBegun})
		}
	}
	return want
}

// sessionsEnded says whether sessions went and nothing was entered, or the other way round. One entry may speak of several; those
// that were over by themselves go without one, and with those who have left; that accounts were linked, or told apart, says how many
// sessions it has ended.
func sessionsEnded(before, now *state) string {
	has := func(kinds ...access.EventKind) bool {
		return slices.ContainsFunc(now.entries, func(e entry) bool { return slices.Contains(kinds, e.Kind) })
	}
	entered, moved := has(access.EventSessionEnded), has(access.EventPersonLinked, access.EventPersonUnlinked)
	gone := false
	for _, id := range sortedKeys(before.sessions) {
		s := before.sessions[id]
		if _, goesOn := now.sessions[id]; goesOn {
			continue
		}
		gone = true
		over := !now.now.Before(s.EndsAt) || !now.now.Before(s.UsedAt.Add(limits().Idle))
		if !entered && !moved && !over && !hasLeft(before, now, s.Person) {
			return fmt.Sprintf("%s of %s has ended without an entry", id, s.Principal)
		}
	}
	if entered && !gone {
		return "an entry speaks of a session that has ended, and none has"
	}
	return ""
}

// hasLeft reports whether the source tells of an account of somebody's no more: all their sessions are over with it.
func hasLeft(before, now *state, person access.PersonID) bool {
	for id, p := range now.profiles {
		if p.Person == person && !p.GoneAt.IsZero() && before.profiles[id].GoneAt.IsZero() {
			return true
		}
	}
	return false
}

// endedStaysEnded: no session comes back.
func endedStaysEnded(w *World, before, now *state) string {
	for id := range before.sessions {
		if _, goesOn := now.sessions[id]; !goesOn {
			w.ended[id] = true
		}
	}
	for _, id := range sortedKeys(now.sessions) {
		if w.ended[id] {
			return fmt.Sprintf("%s had ended, and is there again", id)
		}
	}
	return ""
}

// overThereIsOver: what the provider has said is over, and was told that this is known, has no session here, and none begins.
func overThereIsOver(w *World, _, now *state) string {
	for _, t := range w.there {
		for _, id := range sortedKeys(now.sessions) {
			if s := now.sessions[id]; t.over && s.ProviderSession == t.name && s.Kind != access.SessionToken {
				return fmt.Sprintf("%s goes on, which came of %s", id, t.name)
			}
		}
	}
	return ""
}
