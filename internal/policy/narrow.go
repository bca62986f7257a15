package policy

import (
	"fmt"
	"slices"
	"time"
)

// Narrow is what an agent gets: its own decision, held to the one for the human for whom it acts. It is never wider than
// either: what one of them denies is denied, the stages and requirements of both are asked for, and every limit is the
// smaller one.
func Narrow(agent, human Decision) Decision {
	if agent.Verdict == VerdictDenied {
		return agent
	}
	if human.Verdict == VerdictDenied || len(human.Targets) != len(agent.Targets) {
		return denyAll(agent, "The human for whom the agent acts may not have this: "+human.Why)
	}
	d := agent
	d.Targets = slices.Clone(agent.Targets)
	for i := range d.Targets {
		narrowTarget(&d.Targets[i], human.Targets[i])
	}
	for _, s := range human.Stages {
		if !slices.ContainsFunc(d.Stages, func(o OpenStage) bool { return o.Policy == s.Policy && o.Index == s.Index }) {
			d.Stages = append(slices.Clip(d.Stages), s)
		}
	}
	d.Missing = union(agent.Missing, human.Missing)
	d.Digests = union(agent.Digests, human.Digests)
	if human.Verdict == VerdictReview && agent.Verdict == VerdictAuto {
		d.Verdict, d.Why = VerdictReview, fmt.Sprintf("As for the human for whom the agent acts: %s", human.Why)
	}
	return d
}

// denyAll denies every target of a decision for one reason.
func denyAll(d Decision, why string) Decision {
	out := Decision{Verdict: VerdictDenied, Digests: d.Digests, Why: why}
	for _, t := range d.Targets {
		out.Targets = append(out.Targets, TargetDecision{Entitlement: t.Entitlement, Verdict: VerdictDenied, Why: why, Trace: t.Trace, Implies: t.Implies})
	}
	return out
}

func narrowTarget(t *TargetDecision, human TargetDecision) {
	t.Duration = min(t.Duration, human.Duration)
	t.MaxDuration = min(t.MaxDuration, human.MaxDuration)
	t.Until = earlier(t.Until, human.Until)
	t.Guards = union(t.Guards, human.Guards)
	if human.Verdict == VerdictReview {
		t.Verdict = VerdictReview
	}
}

// earlier is the earlier of two caps, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// union is the sorted union of two lists.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
