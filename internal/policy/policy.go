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

// Policy is one rule as people write it, free of YAML. Its JSON is the form in which Set.Source keeps it; durations in it
// are whole seconds, written as nanoseconds.
type Policy struct {
	// Name is unique in its set: [a-z0-9-]{1,63}.
	Name string `json:"name"`
	// Effect has no default here: a policy that lost its effect must not turn into one that allows.
	Effect Effect `json:"effect"`
	// Who are selectors: "group:SOURCE/NAME", "principal:ISSUER/SUBJECT", "person:ID", "kind:agent", "owner-of-resource",
	// "anyone". Stages know "manager-of-requester" as well. A bare group or principal means the static source; Compile canonicalises.
	Who []string `json:"who"`
	// OnBehalfOf are selectors of those who may ask in the name of those in Who, "manager-of-requester" among them; nobody may
	// where it is empty. Only allowing policies have it.
	OnBehalfOf []string `json:"on_behalf_of,omitempty"`
	// What are patterns of entitlements, where "*" stops at "/" and ":" and "**" does not, or "bundle:NAME".
	What []string `json:"what"`
	// When is a CEL expression of type bool; empty holds always.
	When string `json:"when,omitempty"`
	// Until is a CEL expression of type timestamp that caps the deadline; empty caps nothing. Only allowing policies
	// have one.
	Until string `json:"until,omitempty"`
	// MaxDuration is the longest duration that this policy admits. Allowing policies must have one, others have none.
	MaxDuration time.Duration `json:"max_duration,omitempty"`
	// Require is for allowing policies and guards.
	Require Requirements `json:"require,omitzero"`
	// Stages must be passed in order. An allowing policy has stages or Auto, and neither or both is an error; a guard has
	// stages, requirements or both.
	Stages []Stage `json:"stages,omitempty"`
	// Auto grants at once.
	Auto bool `json:"auto,omitempty"`
	// BreakGlass, when set, makes the policy a candidate only for break-glass requests.
	BreakGlass *BreakGlass `json:"break_glass,omitempty"`
}

// Requirements must be met by the request. A reason and a ticket must come with it; the second factor of a human can
// still follow, and stands in Decision.Missing until it does.
type Requirements struct {
	Reason bool `json:"reason,omitempty"`
	Ticket bool `json:"ticket,omitempty"`
	MFA    bool `json:"mfa,omitempty"`
}

// Stage is a group of people of whom Count must agree.
type Stage struct {
	// From are selectors, as in Who.
	From  []string `json:"from"`
	Count int      `json:"count"`
	// Within is how long the stage waits before the request lapses, or falls back; zero means DefaultWithin.
	Within time.Duration `json:"within"`
	// NoDelegates says that nobody reviews in the stead of somebody who is absent.
	NoDelegates bool `json:"no_delegates,omitempty"`
	// Fallback says who may review besides, once Within has passed; nil is nobody.
	Fallback *Fallback `json:"fallback,omitempty"`
	// MFA has each of them confirm their review with a passkey.
	MFA bool `json:"mfa,omitempty"`
}

// Fallback is for a stage that those who were asked first do not meet in time.
type Fallback struct {
	// From are selectors, as in Stage.
	From []string `json:"from"`
	// Within is how much longer the stage waits then; zero means DefaultWithin.
	Within time.Duration `json:"within"`
}

// BreakGlass is what an emergency owes afterwards.
type BreakGlass struct {
	// ReportWithin is how long the requester has for the incident report.
	ReportWithin time.Duration `json:"report_within"`
	// ReviewBy are selectors of those who review the report.
	ReviewBy []string `json:"review_by"`
	// Alert are selectors of those who are told at once.
	Alert []string `json:"alert,omitempty"`
}

// DefaultWithin is how long a stage waits when its policy does not say.
const DefaultWithin = 24 * time.Hour
