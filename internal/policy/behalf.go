package policy

import (
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// LetsAskFor reports whether a policy lets the one ask for anything in the name of the other. Who may ask for nobody is not
// to learn who there is, nor to fill others' lists with what is denied.
func (s *Set) LetsAskFor(asker, beneficiary access.Principal) bool {
	for i, fits := range s.index.forWho(selectorsOf(beneficiary)) {
		p := s.policies[i]
		// Who owns a resource is not known before one is named.
		if (fits || slices.Contains(p.Who, string(OwnerOfResource))) && p.letsAsk(asker, beneficiary) {
			return true
		}
	}
	return false
}

// letsAsk reports whether the policy lets the one ask in the name of the other.
func (p *compiled) letsAsk(asker, beneficiary access.Principal) bool {
	return slices.ContainsFunc(named(p.OnBehalfOf, nil, beneficiary), func(s string) bool { return Selector(s).Matches(asker) })
}
