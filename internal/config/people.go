package config

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// people is the static directory as selectors see it, indexed: a large directory meets many policies.
type people struct {
	// members are the principals that a selector means. It says the same as policy.Selector.Matches, which a test holds.
	members map[policy.Selector][]access.Principal
	// groups, ids and persons are the names that people could have meant, each once and in order.
	groups, ids, persons []string
	// damaged says that the directory could not be read whole.
	damaged bool
}

func newPeople(principals []Principal, damaged bool) people {
	p := people{members: map[policy.Selector][]access.Principal{}, damaged: damaged}
	for _, one := range principals {
		selectors := []policy.Selector{
			policy.Anyone,
			policy.Selector("kind:" + string(one.Kind)),
			policy.Selector("principal:" + one.ID.String()),
			policy.Selector("person:" + string(one.Person)),
		}
		for _, g := range one.Groups {
			selectors = append(selectors, policy.Selector("group:"+g))
			p.groups = append(p.groups, strings.TrimPrefix(g, access.StaticIssuer+"/"))
		}
		for _, s := range selectors {
			p.members[s] = append(p.members[s], one.Principal)
		}
		p.ids = append(p.ids, one.ID.Subject)
		p.persons = append(p.persons, string(one.Person))
	}
	for _, names := range []*[]string{&p.groups, &p.ids, &p.persons} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	return p
}

// any reports whether the selector means at least one principal.
func (p people) any(s policy.Selector) bool { return len(p.members[s]) > 0 }

// humans counts the persons of the humans that the selectors mean, those who can review or administer, and stops at
// enough.
func (p people) humans(selectors []policy.Selector, enough int) int {
	persons := map[access.PersonID]bool{}
	for _, s := range selectors {
		for _, one := range p.members[s] {
			if one.Kind == access.Human {
				persons[one.Person] = true
			}
			if len(persons) >= enough {
				return len(persons)
			}
		}
	}
	return len(persons)
}
