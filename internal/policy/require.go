package policy

import (
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// The names of requirements, as in the configuration and in Decision.Missing.
const (
	RequireReason = "reason"
	RequireTicket = "ticket"
	RequireMFA    = "mfa"
)

// names lists the requirements that are set.
func (r Requirements) names() []string {
	var names []string
	for _, n := range []struct {
		name string
		set  bool
	}{{RequireReason, r.Reason}, {RequireTicket, r.Ticket}, {RequireMFA, r.MFA}} {
		if n.set {
			names = append(names, n.name)
		}
	}
	return names
}

// requirements sorts out what the input does not meet: unmet can only be met by asking anew, missing can still follow.
// Only humans have a second factor.
func (in *Input) requirements(r Requirements) (unmet, missing []string) {
	for _, name := range r.names() {
		switch {
		case name == RequireReason && in.Reason != "", name == RequireTicket && in.Ticket != "", name == RequireMFA && in.MFA:
		case name == RequireMFA && in.Principal.Kind == access.Human:
			missing = append(missing, name)
		default:
			unmet = append(unmet, name)
		}
	}
	return unmet, missing
}

// granted is the duration under a policy with that maximum: what was asked, or DefaultDuration where nothing was, as far
// as the policy admits it.
func (in *Input) granted(most time.Duration) time.Duration {
	if in.Duration == 0 {
		return min(DefaultDuration, most)
	}
	return in.Duration
}

// begin is when access would begin.
func (in *Input) begin() time.Time {
	if in.Start.After(in.Now) {
		return in.Start
	}
	return in.Now
}

// problem says why no decision may rest on the input, or nothing.
func (in *Input) problem() string {
	switch {
	case in.Erased:
		return "Whose request this was has been forgotten: what was decided stands, and cannot be decided again."
	case len(in.Targets) == 0:
		return "Nothing was asked for; name at least one entitlement."
	case len(in.Targets) > access.MaxEntitlements:
		return fmt.Sprintf("A request has at most %d entitlements; ask for fewer.", access.MaxEntitlements)
	case in.Duration < 0 || in.Duration > 0 && in.Duration < access.MinDuration:
		return fmt.Sprintf("The shortest duration is %s; ask with --for %s or more.", shortDuration(access.MinDuration), shortDuration(access.MinDuration))
	case in.Now.IsZero():
		return "The time of the decision is not known; tell an administrator."
	case in.Principal.ID.IsZero():
		return "It is not known who asks; log in and ask again."
	}
	switch in.Principal.Kind {
	case access.Human, access.Service, access.Agent:
		return ""
	default:
		return "It is not known whether a human, a service or an agent asks; tell an administrator."
	}
}
