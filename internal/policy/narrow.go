package policy

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Human is the one for whom an agent acts, with what the policies want to know of them. It is part of an agent's Input, so
// that the decision, which is narrowed to theirs, can be made again from what is stored.
type Human struct {
	Principal access.Principal `json:"principal"`
	// Gone says that the directory does not have them any more; of the principal there is the ID alone.
	Gone bool `json:"gone,omitempty"`
	// NoAccount says, for each connector behind which they have no account, why; see Target.NoAccount.
	NoAccount map[access.ConnectorName]string `json:"no_account,omitempty"`
	// Facts and Reviewers are for them what those of the Input are for the agent.
	Facts     map[string]Fact       `json:"facts,omitempty"`
	Reviewers map[string][]Reviewer `json:"reviewers,omitempty"`
}

// forSomebody reports whether the requester acts for somebody else.
func (in *Input) forSomebody() bool {
	return in.Principal.Kind == access.Agent || !in.Principal.ActsFor.IsZero() || in.Human != nil
}

// narrows reports whether the decision is held to that of a human. Where that human is not to be trusted, it is denied
// without theirs.
func (in *Input) narrows() bool { return in.forSomebody() && in.Human.whyNotFor(in.Principal) == "" }

// ForHuman is what the same would be if an agent's human asked for it. The Input must have a Human.
func (in Input) ForHuman() Input {
	h := in.Human
	in.Principal, in.Facts, in.Reviewers, in.Human = h.Principal, h.Facts, h.Reviewers, nil
	in.Targets = slices.Clone(in.Targets)
	for i := range in.Targets {
		t := &in.Targets[i]
		// Policies do not see accounts, and the grant is for the agent's.
		t.Account, t.NoAccount = "", h.NoAccount[t.Entitlement.Connector]
	}
	return in
}

// whyNotFor says why an agent may not act for the human, or nothing.
func (h *Human) whyNotFor(agent access.Principal) string {
	switch {
	case h == nil || h.Principal.ID.IsZero() || h.Principal.ID != agent.ActsFor:
		return "It is not known for which human the agent acts; tell an administrator."
	case h.Gone:
		return "The human for whom the agent acts is not in the directory any more."
	case h.Principal.Kind != access.Human:
		return "An agent acts for a human, and this one does not; tell an administrator."
	case agent.Person == "" || h.Principal.Person != agent.Person:
		// Reviews compare persons: whoever the agent acts for could otherwise agree to what it asks for.
		return "The agent and the human for whom it acts are not the same person's; tell an administrator."
	}
	return ""
}

// narrow is what an agent gets: its own decision, held to the one for the human for whom it acts. It is never wider than
// either: what one of them denies is denied, the stages and requirements of both are asked for, and every limit is the
// smaller one.
func narrow(agent, human Decision) Decision {
	if len(human.Targets) != len(agent.Targets) {
		return denyAll(agent, human) // the human's input was refused as a whole
	}
	d := agent
	d.Targets = slices.Clone(agent.Targets)
	for i := range d.Targets {
		d.Targets[i].HumanTrace = human.Targets[i].Trace
	}
	if human.Verdict == VerdictDenied && (agent.Verdict != VerdictDenied || longer(d.Targets, human.Targets)) {
		return denyAll(d, human)
	}
	for i := range d.Targets {
		narrowTarget(&d.Targets[i], human.Targets[i])
	}
	if agent.Verdict == VerdictDenied {
		return d
	}
	for _, s := range human.Stages {
		if !slices.ContainsFunc(d.Stages, s.same) {
			d.Stages = append(slices.Clip(d.Stages), s)
		}
	}
	d.Missing = union(agent.Missing, human.Missing)
	d.Digests = union(agent.Digests, human.Digests)
	d.Verdict = stricter(agent.Verdict, human.Verdict)
	d.Why = whyNarrowed(d, agent, human)
	if len(d.Targets) == 1 {
		d.Targets[0].Why = d.Why
	}
	return d
}

// denyAll denies every target of an agent's decision for the reason that the human's was denied.
func denyAll(agent, human Decision) Decision {
	out := Decision{Verdict: VerdictDenied, Digests: agent.Digests, Why: whyDeniedAsHuman(human.Why)}
	for i, t := range agent.Targets {
		longest := time.Duration(0)
		if len(human.Targets) == len(agent.Targets) {
			longest = min(t.MaxDuration, human.Targets[i].MaxDuration)
		}
		out.Targets = append(out.Targets, deniedAsHuman(t, out.Why, longest))
	}
	return out
}

func whyDeniedAsHuman(why string) string {
	return "The human for whom the agent acts may not have this: " + why
}

func deniedAsHuman(t TargetDecision, why string, longest time.Duration) TargetDecision {
	return TargetDecision{
		Entitlement: t.Entitlement, Verdict: VerdictDenied, MaxDuration: longest, Why: why, Trace: t.Trace, HumanTrace: t.HumanTrace,
		Implies: t.Implies,
	}
}

func narrowTarget(t *TargetDecision, human TargetDecision) {
	switch {
	case t.Verdict == VerdictDenied:
		return
	case human.Verdict == VerdictDenied:
		*t = deniedAsHuman(*t, whyDeniedAsHuman(human.Why), min(t.MaxDuration, human.MaxDuration))
		return
	}
	t.Duration = min(t.Duration, human.Duration)
	t.MaxDuration = min(t.MaxDuration, human.MaxDuration)
	t.Until = earlier(t.Until, human.Until)
	t.Guards = union(t.Guards, human.Guards)
	t.Verdict = stricter(t.Verdict, human.Verdict)
}

// whyNarrowed is the sentence on a decision that was narrowed: the human's too, where theirs adds something.
func whyNarrowed(d, agent, human Decision) string {
	asForHuman := "As for the human for whom the agent acts: " + human.Why
	switch {
	case agent.Verdict == VerdictAuto && human.Verdict == VerdictReview:
		return asForHuman
	case len(d.Stages) > len(agent.Stages), len(d.Missing) > len(agent.Missing), longer(agent.Targets, d.Targets):
		return agent.Why + " " + asForHuman
	default:
		return agent.Why
	}
}

// longer reports whether one of the targets could be had for longer than its counterpart among the others.
func longer(targets, than []TargetDecision) bool {
	for i, t := range targets {
		if o := than[i]; t.Duration > o.Duration || t.MaxDuration > o.MaxDuration || !earlier(t.Until, o.Until).Equal(t.Until) {
			return true
		}
	}
	return false
}

// earlier is the earlier of two caps, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// union is the sorted union of two lists; that of none is nil.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
