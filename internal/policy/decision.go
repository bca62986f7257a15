package policy

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Verdict is what a decision comes to.
type Verdict string

// The verdicts.
const (
	VerdictAuto   Verdict = "auto"
	VerdictReview Verdict = "review"
	VerdictDenied Verdict = "denied"
)

// Decision is what the policies make of an Input. It is stored as JSON with the request.
type Decision struct {
	Verdict Verdict          `json:"verdict"`
	Targets []TargetDecision `json:"targets"`
	// Stages are the union over all targets; each stays with the policy that asks for it.
	Stages []OpenStage `json:"stages,omitempty"`
	// Missing are requirements that what decided still waits for and the request can still meet: "mfa". While there is
	// one, nothing may be granted, whatever the verdict; see Tally.
	Missing []string `json:"missing,omitempty"`
	// Digests are the sorted digests of the policies that decided or guarded; a review binds them.
	Digests []string `json:"digests"`
	// Why is one sentence for the requester: who must agree, or why it is denied and what would be possible.
	Why string `json:"why"`
}

// TargetDecision is the decision on one entitlement.
type TargetDecision struct {
	Entitlement access.Entitlement `json:"entitlement"`
	Verdict     Verdict            `json:"verdict"`
	// Policy is the one that decided, for or against; empty when denied by default.
	Policy string   `json:"policy,omitempty"`
	Guards []string `json:"guards,omitempty"`
	// Duration is what is granted at most: the asked one, or min(1h, the maximum) where none was asked.
	Duration time.Duration `json:"duration,omitempty"`
	// MaxDuration is the longest that the deciding policy admits, or, when the duration was refused, the longest
	// possible from any policy.
	MaxDuration time.Duration `json:"max_duration,omitempty"`
	// Until caps the deadline; zero caps nothing.
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why"`
	// Trace has an entry for every policy that was considered, in file order: those for this requester and this
	// entitlement, or all of them when Explain was asked.
	Trace []Considered `json:"trace,omitempty"`
	// HumanTrace is the same for the human to whom an agent's decision was narrowed.
	HumanTrace []Considered `json:"human_trace,omitempty"`
	// Implies is what the target says that the entitlement gives beyond itself: what reviewers look at.
	Implies access.Implied `json:"implies,omitzero"`
}

// Result is what became of one policy in a decision.
type Result string

// The results.
const (
	// ResultDecided is the allowing policy whose limits and stages count.
	ResultDecided Result = "decided"
	// ResultGuarded is a guard that added its requirements and stages, or would have if anything had been allowed.
	ResultGuarded Result = "guarded"
	// ResultDenied is a denying policy whose condition holds.
	ResultDenied Result = "denied"
	// ResultCandidate is an allowing policy that would have decided, had another not come first.
	ResultCandidate      Result = "candidate"
	ResultNotForYou      Result = "not for you"
	ResultNotForThis     Result = "not for this"
	ResultConditionFalse Result = "condition false"
	ResultTooLong        Result = "too long"
	ResultUnmet          Result = "unmet"
	ResultNotBreakGlass  Result = "not break-glass"
	ResultOnlyBreakGlass Result = "only break-glass"
	ResultPastUntil      Result = "past until"
	ResultNoReviewer     Result = "no reviewer"
	ResultNotOnBehalf    Result = "not on behalf of others"
	// ResultError is an expression that could not be evaluated. It drops an allowing policy; it denies in a denying
	// policy and in a guard.
	ResultError Result = "error"
)

// Considered says what became of one policy.
type Considered struct {
	Policy string `json:"policy"`
	Effect Effect `json:"effect"`
	Result Result `json:"result"`
	// Detail is safe to show: the longest duration, the requirement, the error with its position.
	Detail string `json:"detail,omitempty"`
}

// OpenStage is a stage of a decision.
type OpenStage struct {
	Policy string `json:"policy"`
	// Index is the stage's place in its policy.
	Index int `json:"index"`
	// From are canonical selectors, sorted. The owners of the resource stand here by name, so that the stages of two
	// resources with different owners are two stages.
	From   []string      `json:"from"`
	Count  int           `json:"count"`
	Within time.Duration `json:"within"`
	// MFA has a review count only if it was confirmed with a passkey.
	MFA bool `json:"mfa,omitempty"`
	// NoDelegates says that nobody stands in another's stead.
	NoDelegates bool `json:"no_delegates,omitempty"`
	// Fallback is like the policy's, with names in place.
	Fallback *Fallback `json:"fallback,omitempty"`
	// FallbackAt is when the fallback begins. Progress has it, while that is still to come.
	FallbackAt time.Time `json:"fallback_at,omitzero"`
}

// WithFallback is the stage as it is when nobody has met it in time: open to its fallback as well.
func (s OpenStage) WithFallback() OpenStage {
	if s.Fallback != nil {
		s.From = union(s.From, s.Fallback.From)
	}
	return s
}

// Waits is how long the stage waits in all.
func (s OpenStage) Waits() time.Duration {
	if s.Fallback == nil {
		return s.Within
	}
	return s.Within + s.Fallback.Within
}

// Progress is where the reviews of a request stand.
type Progress struct {
	Approved bool
	Denied   bool
	// Open are the stages that wait now: of each policy the unmet ones with the lowest index, with their
	// fallback where its time has come.
	Open []OpenStage
	// Cap is the shortest cap among the approvals; zero means none.
	Cap time.Duration
}
