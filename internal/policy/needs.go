package policy

import (
	"cmp"
	"slices"
)

// Needs is what the policies in question want to know beside the input.
type Needs struct {
	// Facts are calls such as `oncall("payments-primary")`, each to be answered under its key in Input.Facts.
	Facts []FactCall
	// Reviewers are the selectors to be resolved under that key in Input.Reviewers.
	Reviewers []string
	// Confirmation says that Input.MFA matters.
	Confirmation bool
}

// Needs finds what the policies that concern the input name; only that is fetched. Both lists are sorted and have each
// element once. Input.Facts and Input.Reviewers are not looked at.
func (s *Set) Needs(in Input) Needs {
	var n Needs
	h := s.hear(&in)
	asked := make(map[*compiled]bool)
	for i := range in.Targets {
		t := &in.Targets[i]
		owners, err := parseOwners(t)
		if err != nil {
			continue // Decide denies this target whatever else is known.
		}
		for _, p := range h.concerning(t, owners) {
			if p.Effect == EffectAllow && (p.BreakGlass != nil) != in.BreakGlass {
				continue
			}
			// Without owners, a policy asks the same of every target.
			if asked[p] {
				continue
			}
			asked[p] = len(owners) == 0
			n.Confirmation = n.Confirmation || p.Require.MFA || slices.Contains(p.when.variables(), "request.mfa") || slices.Contains(p.until.variables(), "request.mfa")
			for _, c := range slices.Concat(p.when.factCalls(), p.until.factCalls()) {
				n.Facts = append(n.Facts, c.FactCall)
			}
			for _, stage := range p.Stages {
				n.Reviewers = append(n.Reviewers, named(stage.From, owners, in.Principal)...)
			}
		}
	}
	slices.SortFunc(n.Facts, func(a, b FactCall) int { return cmp.Compare(a.Key, b.Key) })
	n.Facts = slices.CompactFunc(n.Facts, func(a, b FactCall) bool { return a.Key == b.Key })
	slices.Sort(n.Reviewers)
	n.Reviewers = slices.Compact(n.Reviewers)
	return n
}
