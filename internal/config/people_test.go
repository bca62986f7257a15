package config

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// TestPeopleAgreeWithSelectors holds the index and package policy's own matching together.
func TestPeopleAgreeWithSelectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "a b", "a/b", "ä", "%2F"})
		kind := rapid.SampledFrom([]access.PrincipalKind{access.Human, access.Service, access.Agent})
		principals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Principal {
			return Principal{Principal: access.Principal{
				ID:     access.PrincipalID{Issuer: access.StaticIssuer, Subject: word.Draw(t, "id")},
				Kind:   kind.Draw(t, "kind"),
				Person: access.PersonID(word.Draw(t, "person")),
				Groups: []string{access.StaticIssuer + "/" + word.Draw(t, "group")},
			}}
		}), 0, 5).Draw(t, "principals")
		text := rapid.SampledFrom([]string{"group:", "principal:", "person:"}).Draw(t, "word") + word.Draw(t, "name")
		text = rapid.SampledFrom([]string{text, "anyone", "kind:human", "kind:agent"}).Draw(t, "selector")
		s, err := policy.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		people := newPeople(principals, false)
		persons := map[access.PersonID]bool{}
		found := false
		for _, p := range principals {
			if s.Matches(p.Principal) {
				found = true
				if p.Kind == access.Human {
					persons[p.Person] = true
				}
			}
		}
		if people.any(s) != found {
			t.Errorf("any(%s) is %v, package policy says %v", s, people.any(s), found)
		}
		if got := people.humans([]policy.Selector{s}, len(principals)+1); got != len(persons) {
			t.Errorf("humans(%s) is %d, package policy says %d", s, got, len(persons))
		}
	})
}
