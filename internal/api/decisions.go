package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/policy"
)

// Decision is what would be decided if the caller asked for this now.
type Decision struct {
	Decision  string           `json:"decision" enum:"auto,review,denied"`
	Why       string           `json:"why" doc:"The decision in a sentence"`
	Requires  []string         `json:"requires" nullable:"false" doc:"What the policies that decide demand, met or not: reason, ticket, mfa"`
	Missing   []string         `json:"missing" nullable:"false" doc:"What of it must still follow the request: mfa"`
	Stages    []DecisionStage  `json:"stages" nullable:"false" doc:"Who must agree; the stages of one policy come one after the other"`
	Targets   []TargetDecision `json:"targets" nullable:"false" doc:"Each entitlement by itself; one denial denies the request"`
	LeftOut   int              `json:"left_out,omitempty" doc:"Policies for somebody or something else that are left out, because there are very many"`
	Principal string           `json:"principal" doc:"Whose request it would be"`
	ActsFor   string           `json:"acts_for,omitempty" doc:"The human for whom the agent acts, to whom the decision is narrowed"`
}

// DecisionStage is a group of people of whom count must agree, with those who could.
type DecisionStage struct {
	Stage
	Within    string     `json:"within" doc:"How long the stage waits"`
	Approvers []Approver `json:"approvers" nullable:"false" doc:"People who could agree, 20 at most, without those who may not"`
	More      int        `json:"more,omitempty" doc:"How many others could, as far as they are counted"`
}

// Approver is one account of a person who could agree.
type Approver struct {
	Principal string `json:"principal"`
	Name      string `json:"name,omitempty"`
}

// TargetDecision is what would be decided of one entitlement.
type TargetDecision struct {
	Entitlement string       `json:"entitlement"`
	Decision    string       `json:"decision" enum:"auto,review,denied"`
	Policy      string       `json:"policy,omitempty" doc:"The one that decides, for or against; empty when none allows it"`
	Guards      []string     `json:"guards" nullable:"false" doc:"Policies that add requirements or reviews"`
	Duration    string       `json:"duration,omitempty" doc:"How long it would be given for"`
	MaxDuration string       `json:"max_duration,omitempty" doc:"The longest that could be asked for"`
	Until       time.Time    `json:"until,omitzero" doc:"When it ends at the latest, whatever is asked"`
	Why         string       `json:"why"`
	Policies    []Considered `json:"policies" nullable:"false" doc:"What becomes of each policy, in their order"`
	// HumanPolicies stand beside Policies and not among them: the same policy may fit the one and not the other.
	HumanPolicies []Considered `json:"human_policies,omitempty" doc:"The same for the human for whom an agent acts"`
}

// Considered says what becomes of one policy.
type Considered struct {
	Policy string `json:"policy"`
	Effect string `json:"effect" enum:"allow,deny,guard"`
	Result string `json:"result" enum:"decided,guarded,denied,candidate,not for you,not for this,condition false,too long,unmet,not break-glass,only break-glass,past until,no reviewer,not on behalf of others,error"`
	Detail string `json:"detail,omitempty"`
}

type decideInput struct{ Body RequestBody }

type decideOutput struct{ Body Decision }

func (s *surface) decide(ctx context.Context, in *decideInput) (*decideOutput, error) {
	submission, err := in.Body.submission()
	if err != nil {
		return nil, err
	}
	actor := actorOf(ctx)
	x, err := s.Engine.Explain(ctx, actor, submission)
	if err != nil {
		return nil, err
	}
	out := newDecision(x)
	out.Principal, out.ActsFor = principalText(actor.ID), principalText(actor.ActsFor)
	if !submission.OnBehalfOf.IsZero() { // for whom an agent asks acts for nobody
		out.Principal, out.ActsFor = principalText(submission.OnBehalfOf), ""
	}
	return &decideOutput{Body: out}, nil
}

func newDecision(x engine.Explanation) Decision {
	d := x.Decision
	out := Decision{
		Decision: string(d.Verdict), Why: d.Why, Requires: append([]string{}, x.Requires...), Missing: append([]string{}, d.Missing...),
		Stages: make([]DecisionStage, len(d.Stages)), Targets: make([]TargetDecision, len(d.Targets)), LeftOut: x.LeftOut,
	}
	for i, stage := range newStages(d.Stages) {
		who := x.Approvers[i]
		out.Stages[i] = DecisionStage{
			Stage: stage, Within: durationText(d.Stages[i].Within), Approvers: make([]Approver, len(who.People)), More: who.More,
		}
		for k, p := range who.People {
			out.Stages[i].Approvers[k] = Approver{Principal: principalText(p.ID), Name: p.Name}
		}
	}
	for i, t := range d.Targets {
		out.Targets[i] = TargetDecision{
			Entitlement: t.Entitlement.String(), Decision: string(t.Verdict), Policy: t.Policy, Guards: append([]string{}, t.Guards...),
			Duration: durationText(t.Duration), MaxDuration: durationText(t.MaxDuration), Until: utc(t.Until), Why: t.Why,
			Policies: newConsidered(t.Trace), HumanPolicies: newConsidered(t.HumanTrace),
		}
	}
	return out
}

func newConsidered(trace []policy.Considered) []Considered {
	out := make([]Considered, len(trace))
	for i, c := range trace {
		out[i] = Considered{Policy: c.Policy, Effect: string(c.Effect), Result: string(c.Result), Detail: c.Detail}
	}
	return out
}
