package simulation

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

func isAttested(g access.Grant) bool { return g.EndReason == access.EndAttested }

// attestedByTwo: the word of others than the grant's own person, and nobody says that the target was read.
func attestedByTwo(_ *World, _, now *state) string {
	return each(now, func(g access.Grant) string {
		if !isAttested(g) {
			return ""
		}
		var persons []access.PersonID
		for _, a := range now.attestations[g.ID] {
			if a.Person != g.Person && !slices.Contains(persons, a.Person) {
				persons = append(persons, a.Person)
			}
		}
		return wrongf(len(persons) < 2 || !g.VerifiedAt.IsZero() || g.VerifiedBy != "",
			"%s was attested by %v, and verified at %s by %q", g.ID, persons, g.VerifiedAt, g.VerifiedBy)
	})
}

// frozenIn finds a freeze that covers a person's access behind the connector.
func (s *state) frozenIn(person access.PersonID) bool {
	return slices.ContainsFunc(s.freezes, func(f access.Freeze) bool { return covers(f, person) })
}

func covers(f access.Freeze, person access.PersonID) bool {
	return f.Scope != access.FreezePerson || f.Value == string(person)
}

// frozenStaysOut: while a freeze stands, nothing that it covers is asked for, agreed to, begun, extended or handed out.
func frozenStaysOut(_ *World, before, now *state) string {
	for _, id := range sortedKeys(now.requests) {
		if _, known := before.requests[id]; !known && before.frozenIn(now.requests[id].Person) {
			return fmt.Sprintf("%s was submitted", id)
		}
	}
	for _, e := range now.entries {
		if e.Kind == access.EventCredentialFetched && before.frozenIn(now.grants[e.Grant].Person) {
			return fmt.Sprintf("the credential of %s was fetched", e.Grant)
		}
	}
	return each(now, func(g access.Grant) string {
		was, known := before.grants[g.ID]
		begins := was.State == access.GrantScheduled && g.State == access.GrantActivating
		promised := was.ExtendTo.IsZero() && !g.ExtendTo.IsZero()
		return wrongf((!known || begins || promised) && before.frozenIn(g.Person), "%s, which was %q, is %s", g.ID, was.State, g.State)
	})
}

// frozenIsOver: what a freeze found is on its way out, and nothing new has begun since.
func frozenIsOver(_ *World, _, now *state) string {
	for _, f := range now.freezes {
		if f.SweptAt.IsZero() {
			continue
		}
		wrong := each(now, func(g access.Grant) string {
			out := g.State == access.GrantRevoking || g.State == access.GrantEnded
			return wrongf(!out && covers(f, g.Person), "%s was carried out, and %s is %s", f.ID, g.ID, g.State)
		})
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// undoneTogether: when one of a bundle's grants fails before it was active, none of the others stays.
func undoneTogether(_ *World, before, now *state) string {
	return each(now, func(g access.Grant) string {
		was := before.grants[g.ID].State
		begun := was != access.GrantScheduled && was != access.GrantActivating
		left := g.State == access.GrantRevoking || g.State == access.GrantEnded
		failed := g.EndReason == access.EndFailed || g.EndReason == access.EndIneligible
		if begun || !left || !failed || now.requests[g.Request].Bundle == "" {
			return ""
		}
		return each(now, func(other access.Grant) string {
			stays := other.State != access.GrantRevoking && other.State != access.GrantEnded
			return wrongf(other.Request == g.Request && stays, "%s is %s, and %s of the same bundle is %s", g.ID, g.State, other.ID, other.State)
		})
	})
}
