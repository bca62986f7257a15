package policy

import (
	"fmt"
	"slices"
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

// Requires lists what the policies demand that decided a target or guarded it, met or not: for an agent those of its human
// too. Sorted.
func (s *Set) Requires(t TargetDecision) (names []string) {
	asks := func(c Considered) bool { return c.Result == ResultDecided || c.Result == ResultGuarded }
	for _, p := range s.policies {
		named := func(c Considered) bool { return c.Policy == p.Name && asks(c) }
		if slices.ContainsFunc(t.Trace, named) || slices.ContainsFunc(t.HumanTrace, named) {
			names = union(names, p.Require.names())
		}
	}
	return names
}

// requirements sorts out what the input does not meet: unmet can only be met by asking anew, missing can still follow.
// Only humans have a second factor; for an agent its human confirms.
func (in *Input) requirements(r Requirements) (unmet, missing []string) {
	for _, name := range r.names() {
		switch {
		case name == RequireReason && in.Reason != "", name == RequireTicket && in.Ticket != "", name == RequireMFA && in.MFA:
		case name == RequireMFA && (in.Principal.Kind == access.Human || in.Principal.Kind == access.Agent && !in.Principal.ActsFor.IsZero()):
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
	case in.AskedBy.Kind == access.Agent && in.AskedBy.ActsFor != in.Principal.ID:
		return "An agent asks in nobody's name but that of the human for whom it acts."
	}
	switch in.Principal.Kind {
	case access.Human, access.Service, access.Agent:
		if in.forSomebody() {
			return in.Human.whyNotFor(in.Principal)
		}
		return ""
	default:
		return "It is not known whether a human, a service or an agent asks; tell an administrator."
	}
}
