package policy

import (
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Input is everything that a decision may depend on, frozen: the same Input and the same policies give the same
// Decision on any machine on any day. It is stored as JSON with the request.
type Input struct {
	// Now is the moment of the decision.
	Now       time.Time        `json:"now"`
	Principal access.Principal `json:"principal"`
	// AskedBy is who asks in the principal's name; zero where the principal does.
	AskedBy access.Principal `json:"asked_by,omitzero"`
	Targets []Target         `json:"targets"`
	// Duration is what was asked; zero means min(DefaultDuration, the maximum of the policy that decides).
	Duration time.Duration `json:"duration"`
	// Start is when access shall begin; zero, like a moment that has passed, means Now.
	Start      time.Time         `json:"start,omitzero"`
	Reason     string            `json:"reason,omitempty"`
	Ticket     string            `json:"ticket,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	BreakGlass bool              `json:"break_glass,omitempty"`
	// MFA says that a human has confirmed the request with a second factor, and Confirmed when and how that can be verified.
	MFA       bool      `json:"mfa,omitempty"`
	Confirmed Confirmed `json:"confirmed,omitzero"`
	// Facts are the answers of fact functions, by call: `oncall("payments-primary")` → JSON. A call that is missing or
	// whose Error is set is an evaluation error.
	Facts map[string]Fact `json:"facts,omitempty"`
	// Reviewers are the principals that each selector of Needs.Reviewers stands for. A selector that is missing stands
	// for nobody.
	Reviewers map[string][]Reviewer `json:"reviewers,omitempty"`
	// Human is the one for whom an agent acts, to whom its decision is narrowed; nil for everybody else.
	Human *Human `json:"human,omitempty"`
	// Erased says that the person whose request it was has been forgotten: what is here is what says nothing about them, and
	// deciding it again would decide something else.
	Erased bool `json:"erased,omitempty"`
}

// Confirmed is a confirmation with a second factor, as far as decisions know of it.
type Confirmed struct {
	At time.Time `json:"at"`
	// Digest is what was signed, in hex: the challenge, which binds the request.
	Digest string `json:"digest"`
}

// Target is one entitlement asked for, with what is known of its resource.
type Target struct {
	Entitlement access.Entitlement `json:"entitlement"`
	// Bundle is set when the entitlement was asked for as a member of a bundle.
	Bundle string `json:"bundle,omitempty"`
	// Type is the connector's type.
	Type string `json:"type,omitempty"`
	// Labels are the connector's, overlaid by the resource's own.
	Labels map[string]string `json:"labels,omitempty"`
	// Owners are selectors of those who own the resource: groups, principals or persons.
	Owners []string `json:"owners,omitempty"`
	// Account is who the principal is at the target, where the connector has a rule for that.
	Account string `json:"account,omitempty"`
	// NoAccount says, in a sentence for the requester, why that cannot be told. It denies the target, whatever the
	// policies say.
	NoAccount string `json:"no_account,omitempty"`
	// Implies is for reviewers. Policies do not see it, and the decision repeats it.
	Implies access.Implied `json:"implies,omitzero"`
}

// Fact is one answer of the world, or why there is none.
type Fact struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

// Reviewer is a principal who may stand in a stage.
type Reviewer struct {
	ID     access.PrincipalID   `json:"id"`
	Kind   access.PrincipalKind `json:"kind"`
	Person access.PersonID      `json:"person"`
}
