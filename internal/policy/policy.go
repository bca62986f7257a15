package policy

import "time"

// Effect is what a policy does when it matches.
type Effect string

// The effects.
const (
	// EffectAllow makes the policy a candidate to decide.
	EffectAllow Effect = "allow"
	// EffectDeny wins over every other policy; an error in it denies.
	EffectDeny Effect = "deny"
	// EffectGuard allows nothing and adds its requirements and stages to whatever decided.
	EffectGuard Effect = "guard"
)

// Policy is one rule as people write it, free of YAML.
type Policy struct {
	Name   string
	Effect Effect
	// Who are selectors: "group:SOURCE/NAME", "principal:ISSUER/SUBJECT", "person:ID", "kind:agent", "owner-of-resource",
	// "anyone". A bare group or principal means the static source; Compile canonicalises.
	Who []string
	// What are patterns of entitlements, where "*" stops at "/" and ":" and "**" does not, or "bundle:NAME".
	What []string
	// When is a CEL expression of type bool; empty holds always.
	When string
	// Until is a CEL expression of type timestamp that caps the deadline; empty caps nothing.
	Until string
	// MaxDuration is the longest duration that this policy admits.
	MaxDuration time.Duration
	Require     Requirements
	// Stages must be passed in order. None, together with Auto, grants at once. Neither is an error.
	Stages []Stage
	Auto   bool
	// BreakGlass, when set, makes the policy a candidate only for break-glass requests.
	BreakGlass *BreakGlass
}

// Requirements must be met by the request.
type Requirements struct {
	Reason bool `json:"reason,omitempty"`
	Ticket bool `json:"ticket,omitempty"`
	MFA    bool `json:"mfa,omitempty"`
}

// Stage is a group of people of whom Count must agree.
type Stage struct {
	// From are selectors, as in Who.
	From  []string
	Count int
	// Within is how long the stage waits before the request lapses; zero means DefaultWithin.
	Within time.Duration
}

// BreakGlass is what an emergency owes afterwards.
type BreakGlass struct {
	ReportWithin time.Duration
	ReviewBy     []string
	Alert        []string
}

// DefaultWithin is how long a stage waits when its policy does not say.
const DefaultWithin = 24 * time.Hour
