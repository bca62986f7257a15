package policy

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
)

// DefaultDuration is what a request without a duration asks for, if the policy that decides admits that much.
const DefaultDuration = time.Hour

// Decide decides, purely. Its traces have the policies that are for this requester and this entitlement.
//
// Each target is decided alone, see judge.go, and one denial denies the request. What the policies of all targets ask
// for is added up. An Input that cannot be trusted, such as one without a requester, is denied. An agent's decision is
// narrowed to its human's, see narrow.go.
func (s *Set) Decide(in Input) Decision { return s.decide(in, false) }

// Explain decides as Decide does, with every policy in the traces.
func (s *Set) Explain(in Input) Decision { return s.decide(in, true) }

// hearing is one input before one set.
type hearing struct {
	set *Set
	in  *Input
	// begin is when access would begin.
	begin time.Time
	// mine are the selectors that mean the requester; who marks the policies whose who has one of them.
	mine []Selector
	who  []bool
	// nearby are the policies that may be for a target, and nearTo is that target.
	nearTo *Target
	nearby []int
	// facts are the fact functions, answering from the input.
	facts map[string]cel.LateBoundFunction
	// everything traces all policies.
	everything bool
}

func (s *Set) decide(in Input, everything bool) Decision {
	own := s.decideAlone(in, everything)
	if !in.narrows() {
		return own
	}
	return narrow(own, s.decideAlone(in.ForHuman(), everything))
}

// decideAlone decides for the requester, whoever they act for.
func (s *Set) decideAlone(in Input, everything bool) Decision {
	in.Now, in.Start = in.Now.UTC(), in.Start.UTC()
	if why := in.problem(); why != "" {
		return refuse(&in, why)
	}
	h := s.hear(&in)
	h.everything = everything
	h.facts = s.language.bind(in.Facts)
	rulings := make([]ruling, len(in.Targets))
	for i := range in.Targets {
		rulings[i] = h.judge(&in.Targets[i])
	}
	return sum(rulings)
}

func (s *Set) hear(in *Input) *hearing {
	mine := selectorsOf(in.Principal)
	return &hearing{set: s, in: in, begin: in.begin(), mine: mine, who: s.index.forWho(mine)}
}

// refuse denies all targets for the same reason.
func refuse(in *Input, why string) Decision {
	d := Decision{Verdict: VerdictDenied, Targets: []TargetDecision{}, Digests: []string{}, Why: why}
	for _, t := range in.Targets {
		d.Targets = append(d.Targets, TargetDecision{Entitlement: t.Entitlement, Verdict: VerdictDenied, Why: why, Implies: t.Implies})
	}
	return d
}

// sum makes one decision of the rulings on all targets.
func sum(rulings []ruling) Decision {
	d := Decision{Verdict: VerdictAuto, Digests: []string{}}
	for _, r := range rulings {
		d.Targets = append(d.Targets, r.TargetDecision)
		d.Verdict = stricter(d.Verdict, r.Verdict)
		for _, p := range r.policies {
			d.Digests = append(d.Digests, p.digest)
		}
		for _, s := range r.stages {
			if !slices.ContainsFunc(d.Stages, s.same) {
				d.Stages = append(d.Stages, s)
			}
		}
		d.Missing = append(d.Missing, r.missing...)
	}
	slices.Sort(d.Digests)
	d.Digests = slices.Compact(d.Digests)
	slices.Sort(d.Missing)
	d.Missing = slices.Compact(d.Missing)
	if d.Verdict == VerdictDenied {
		d.Stages, d.Missing = nil, nil
	}
	d.Why = whyAll(d)
	return d
}

func stricter(a, b Verdict) Verdict {
	if a == VerdictDenied || b == VerdictDenied {
		return VerdictDenied
	}
	if a == VerdictReview || b == VerdictReview {
		return VerdictReview
	}
	return VerdictAuto
}

// same reports whether two stages are one: the same people asked by the same stage of the same policy.
func (s OpenStage) same(o OpenStage) bool {
	return s.Policy == o.Policy && s.Index == o.Index && slices.Equal(s.From, o.From) &&
		slices.Equal(s.WithFallback().From, o.WithFallback().From)
}
