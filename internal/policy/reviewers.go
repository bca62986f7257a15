package policy

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// Fits reports whether the principal may stand in the stage for this requester: human, another person, and matched by
// one of the stage's selectors.
func Fits(s OpenStage, reviewer, requester access.Principal) bool {
	return mayReview(Reviewer{ID: reviewer.ID, Kind: reviewer.Kind, Person: reviewer.Person}, requester) &&
		slices.ContainsFunc(s.From, func(from string) bool { return Selector(from).Matches(reviewer) })
}

// mayReview reports whether a principal may review anything for the requester. Persons are compared, not accounts; where
// either person is not known, nobody can say that they are two. For an agent, neither its own person nor the human it
// acts for may review.
func mayReview(r Reviewer, requester access.Principal) bool {
	return r.Kind == access.Human &&
		r.Person != "" && requester.Person != "" && r.Person != requester.Person &&
		r.ID != requester.ID && r.ID != requester.ActsFor
}

// canPass reports whether as many different persons as the stage counts may review.
func (in *Input) canPass(s OpenStage) bool {
	persons := make([]access.PersonID, 0, s.Count)
	for _, from := range s.From {
		for _, r := range in.Reviewers[from] {
			if !mayReview(r, in.Principal) || slices.Contains(persons, r.Person) {
				continue
			}
			persons = append(persons, r.Person)
			if len(persons) == s.Count {
				return true
			}
		}
	}
	return false
}

// parseOwners reads the owners of a target.
func parseOwners(t *Target) ([]Selector, error) {
	owners := make([]Selector, 0, len(t.Owners))
	for _, text := range t.Owners {
		o, err := ParseSelector(text)
		if err != nil {
			return nil, err
		}
		if !isOwner(o) {
			return nil, fmt.Errorf("selector %q does not name an owner; want a group, a principal or a person", text)
		}
		owners = append(owners, o)
	}
	return owners, nil
}

// withOwners puts the owners in the place of OwnerOfResource.
func withOwners(from []string, owners []Selector) []string {
	at := slices.Index(from, string(OwnerOfResource))
	if at < 0 {
		return from
	}
	out := slices.Delete(slices.Clone(from), at, at+1)
	for _, o := range owners {
		out = append(out, string(o))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
