package engine

import (
	"context"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// maxApprovers bounds how many people an explanation names in a stage, and maxApproversCounted how many it counts.
	maxApprovers        = 20
	maxApproversCounted = 1000
	// maxOthers bounds, for each entitlement, the policies in an explanation that are for somebody or something else.
	maxOthers = 50
)

// Explanation is what Submit would decide, and how that comes about.
type Explanation struct {
	// Decision has every policy in its traces, but for those that LeftOut counts.
	Decision policy.Decision
	LeftOut  int
	// Requires is what must come with a request, or follow, by the policies that decide: "reason", "ticket", "mfa".
	Requires []string
	// Approvers are who could agree, for each of the decision's stages.
	Approvers []Approvers
}

// Approvers are the people who could agree in one stage, each once, without the asker and those who are frozen.
type Approvers struct {
	People []Approver
	// More is how many others there are, a thousand at most.
	More int
}

// Approver is one account of a person who could agree.
type Approver struct {
	ID   access.PrincipalID
	Name string
}

// Explain says what Submit would decide now, policy by policy, and fails as Submit would. It keeps nothing and enters
// nothing. An actor for whom no policy has the entitlement learns no more than Entitlements tells them: of policies the names,
// whether they are for somebody or something else, and the one that forbids it.
func (e *Engine) Explain(ctx context.Context, actor access.Principal, s Submission) (Explanation, error) {
	rules := e.rules.Load()
	r, parties, err := e.requestOf(ctx, rules, actor, s)
	if err != nil {
		return Explanation{}, err
	}
	in, err := e.input(ctx, rules, parties, r)
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{Decision: rules.Policies.Explain(in)}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		c := &change{Tx: tx, engine: e} // which changes nothing here
		if err := c.mayAsk(r); err != nil {
			return err
		}
		x.Approvers, err = c.approvers(in, x.Decision.Stages)
		return err
	})
	if err != nil {
		return Explanation{}, err
	}
	if err := rules.name(ctx, x.Approvers); err != nil {
		return Explanation{}, err
	}
	for i := range x.Decision.Targets {
		t := &x.Decision.Targets[i]
		x.Requires = append(x.Requires, rules.Policies.Requires(*t)...)
		mayAsk := concerns(t.Trace) && (in.Human == nil || concerns(t.HumanTrace))
		for _, trace := range []*[]policy.Considered{&t.Trace, &t.HumanTrace} {
			if !mayAsk {
				*trace = withoutConditions(*trace, t.Policy)
			}
			var left int
			*trace, left = boundOthers(*trace)
			x.LeftOut += left
		}
	}
	slices.Sort(x.Requires)
	x.Requires = slices.Compact(x.Requires)
	return x, nil
}

// approvers are the people for each stage. Those who are frozen could not review.
func (c *change) approvers(in policy.Input, stages []policy.OpenStage) ([]Approvers, error) {
	out := make([]Approvers, len(stages))
	for i, s := range stages {
		for _, r := range in.Approvers(s, maxApproversCounted) {
			if len(out[i].People) == maxApprovers {
				out[i].More++
				continue
			}
			f, err := c.freezeOn(r.Person, "")
			if err != nil {
				return nil, err
			}
			if f == nil {
				out[i].People = append(out[i].People, Approver{ID: r.ID})
			}
		}
	}
	return out, nil
}

// name adds the names that people have in the directory.
func (r *Rules) name(ctx context.Context, stages []Approvers) (err error) {
	for _, s := range stages {
		for i := range s.People {
			if s.People[i].Name, err = r.nameOf(ctx, s.People[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// forOthers reports whether a policy is for somebody or something else.
func forOthers(c policy.Considered) bool {
	return c.Result == policy.ResultNotForYou || c.Result == policy.ResultNotForThis
}

// concerns reports whether a policy that allows is for the asker and for what is asked.
func concerns(trace []policy.Considered) bool {
	return slices.ContainsFunc(trace, func(c policy.Considered) bool { return c.Effect == policy.EffectAllow && !forOthers(c) })
}

// withoutConditions leaves out what became of conditions, but for the policy that decided: they may be about what the asker
// should not learn by asking.
func withoutConditions(trace []policy.Considered, decided string) []policy.Considered {
	return slices.DeleteFunc(trace, func(c policy.Considered) bool { return !forOthers(c) && c.Policy != decided })
}

// boundOthers leaves out policies that are for others, where there are very many, and counts them.
func boundOthers(trace []policy.Considered) (kept []policy.Considered, left int) {
	others := 0
	kept = slices.DeleteFunc(trace, func(c policy.Considered) bool {
		if !forOthers(c) {
			return false
		}
		others++
		return others > maxOthers
	})
	return kept, max(0, others-maxOthers)
}
