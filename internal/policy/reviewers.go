package policy

import (
	"fmt"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// Parties are whose request it is, and who asked for it in their name, or zero. Neither reviews it.
type Parties struct {
	Requester, AskedBy access.Principal
}

// Fits reports whether the principal may stand in the stage for these parties: human, another person, and matched by
// one of the stage's selectors.
func Fits(s OpenStage, reviewer access.Principal, parties Parties) bool {
	return parties.mayBeReviewedBy(Reviewer{ID: reviewer.ID, Kind: reviewer.Kind, Person: reviewer.Person}) &&
		slices.ContainsFunc(s.From, func(from string) bool { return Selector(from).Matches(reviewer) })
}

// FitsInStead reports whether the principal may stand in the stage in another's stead: who could stand there themselves, and
// for these parties neither of the two is excluded. A delegate of a delegate is nobody's.
func FitsInStead(s OpenStage, reviewer, absent access.Principal, parties Parties) bool {
	return !s.NoDelegates && reviewer.Person != absent.Person && Fits(s, absent, parties) &&
		parties.mayBeReviewedBy(Reviewer{ID: reviewer.ID, Kind: reviewer.Kind, Person: reviewer.Person})
}

// mayBeReviewedBy reports whether a principal is none of the parties.
func (p Parties) mayBeReviewedBy(r Reviewer) bool {
	return mayReview(r, p.Requester) && (p.AskedBy.ID.IsZero() || mayReview(r, p.AskedBy))
}

// mayReview reports whether a principal may review anything that the other asked for, or that was asked for them. Persons are compared, not accounts; where
// either person is not known, nobody can say that they are two. For an agent, neither its own person nor the human it
// acts for may review.
func mayReview(r Reviewer, requester access.Principal) bool {
	return r.Kind == access.Human &&
		r.Person != "" && requester.Person != "" && r.Person != requester.Person &&
		r.ID != requester.ID && r.ID != requester.ActsFor
}

// canPass reports whether as many different persons as the stage counts may review.
func (in *Input) canPass(s OpenStage) bool { return len(in.Approvers(s, s.Count)) == s.Count }

// Approvers lists those who may review in a stage of a decision on this input, one for each person and at most so many.
func (in *Input) Approvers(s OpenStage, most int) []Reviewer {
	sources := []map[string][]Reviewer{in.Reviewers}
	if in.Human != nil {
		sources = append(sources, in.Human.Reviewers)
	}
	parties := Parties{Requester: in.Principal, AskedBy: in.AskedBy}
	var found []Reviewer
	for _, from := range s.From {
		for _, source := range sources {
			for _, r := range source[from] {
				if len(found) == most {
					return found
				}
				known := func(other Reviewer) bool { return other.Person == r.Person }
				if parties.mayBeReviewedBy(r) && !slices.ContainsFunc(found, known) {
					found = append(found, r)
				}
			}
		}
	}
	return found
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

// named puts names in the place of the selectors that mean somebody else for each request: the owners in that of
// OwnerOfResource, the requester's manager in that of ManagerOfRequester. Where there is nobody, nobody stands.
func named(from []string, owners []Selector, requester access.Principal) []string {
	if !slices.Contains(from, string(OwnerOfResource)) && !slices.Contains(from, string(ManagerOfRequester)) {
		return from
	}
	out := make([]string, 0, len(from)+len(owners))
	for _, text := range from {
		switch Selector(text) {
		case OwnerOfResource:
			for _, o := range owners {
				out = append(out, string(o))
			}
		case ManagerOfRequester:
			if !requester.Manager.IsZero() {
				out = append(out, string(principalSelector(requester.Manager)))
			}
		default:
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// whyTooFew says why a stage, which is that of a policy with the names in place, has too few people.
func whyTooFew(written Stage, s OpenStage) string {
	owners := slices.Contains(written.From, string(OwnerOfResource))
	manager := slices.Contains(written.From, string(ManagerOfRequester))
	switch {
	case len(s.From) > 0:
		return fmt.Sprintf("stage %d wants %s other than the requester", s.Index+1, people(s))
	case owners && manager:
		return fmt.Sprintf("stage %d wants an owner of the resource or the requester's manager, and neither is known", s.Index+1)
	case manager:
		return fmt.Sprintf("stage %d wants the requester's manager, and the directory names none", s.Index+1)
	default:
		return fmt.Sprintf("stage %d wants an owner, and the resource has none", s.Index+1)
	}
}
