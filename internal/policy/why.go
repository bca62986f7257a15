package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxDetail bounds the error text in a trace, in runes.
const maxDetail = 300

// whyAll is the sentence on the whole decision.
func whyAll(d Decision) string {
	if len(d.Targets) == 1 {
		return d.Targets[0].Why
	}
	switch d.Verdict {
	case VerdictDenied:
		return whySomeDenied(d.Targets)
	case VerdictReview:
		return sentence(needs(d.Stages), withSecondFactor(d.Missing), fmt.Sprintf("for the %d entitlements", len(d.Targets)))
	default:
		return sentence(fmt.Sprintf("The %d entitlements are granted at once", len(d.Targets)), withSecondFactor(d.Missing))
	}
}

func whySomeDenied(targets []TargetDecision) string {
	var denied []TargetDecision
	for _, t := range targets {
		if t.Verdict == VerdictDenied {
			denied = append(denied, t)
		}
	}
	first := fmt.Sprintf("%s: %s", denied[0].Entitlement, denied[0].Why)
	if len(denied) == 1 {
		return first
	}
	return fmt.Sprintf("%s (%d of %d entitlements are denied, and one denial denies the request.)", first, len(denied), len(targets))
}

// why is the sentence on a target that is allowed.
func (r *ruling) why() string {
	what := "Granted at once"
	if r.Verdict == VerdictReview {
		what = needs(r.stages)
	}
	until := ""
	if !r.Until.IsZero() {
		until = "not beyond " + shortTime(r.Until)
	}
	return sentence(what, withSecondFactor(r.missing), "for "+shortDuration(r.Duration), until, fmt.Sprintf("by policy %q", r.Policy))
}

// sentence joins the parts that are not empty.
func sentence(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ") + "."
}

func withSecondFactor(missing []string) string {
	if slices.Contains(missing, RequireMFA) {
		return "once it is confirmed with a passkey"
	}
	return ""
}

// needs says who must agree. The stages of one policy come one after another, those of different policies side by side;
// one review counts in all that are open, so that what is a part of something longer is not said twice.
func needs(stages []OpenStage) string {
	var chains []string
	for i, s := range stages {
		if i > 0 && s.Policy == stages[i-1].Policy && s.Index > stages[i-1].Index {
			chains[len(chains)-1] += " and then " + asked(s)
		} else {
			chains = append(chains, asked(s))
		}
	}
	slices.Sort(chains)
	chains = slices.Compact(chains)
	chains = slices.DeleteFunc(slices.Clone(chains), func(c string) bool {
		return slices.ContainsFunc(chains, func(longer string) bool { return strings.HasPrefix(longer, c+" and then ") })
	})
	return "Needs the approval of " + strings.Join(chains, " and ")
}

// asked is who is asked in the stage, and later, in words: "1 person of group:leads (after 2h also of group:heads)".
func asked(s OpenStage) string {
	if s.Fallback == nil || len(s.Fallback.From) == 0 {
		return approval(s)
	}
	return fmt.Sprintf("%s (after %s also of %s)", approval(s), shortDuration(s.Within), shownOr(s.Fallback.From))
}

// shownOr is a list of selectors in words.
func shownOr(selectors []string) string {
	shown := make([]string, len(selectors))
	for i, s := range selectors {
		shown[i] = Selector(s).shown()
	}
	return strings.Join(shown, " or ")
}

// approval is who must agree, and how.
func approval(s OpenStage) string {
	if s.MFA {
		return people(s) + " with a passkey"
	}
	return people(s)
}

// people is the stage in words: "2 people of group:leads or person:carol".
func people(s OpenStage) string {
	from := shownOr(s.From)
	if s.Count == 1 {
		return "1 person of " + from
	}
	return fmt.Sprintf("%d people of %s", s.Count, from)
}

// whyDenied is the sentence on a denying policy or a guard that refuses.
func whyDenied(e *entry, t *Target) string {
	switch e.Result {
	case ResultError:
		return fmt.Sprintf("Policy %q cannot be evaluated, and is therefore taken to refuse; tell an administrator, who sees the error with \"curfew explain %s\".", e.Policy, t.Entitlement)
	case ResultUnmet:
		return whyUnmet(e)
	case ResultNoReviewer:
		return whyNoReviewer(e)
	default:
		return fmt.Sprintf("Policy %q forbids this; \"curfew explain %s\" shows what else there is.", e.Policy, t.Entitlement)
	}
}

// whyNobody is the sentence where no policy allows: of all that came close, what the requester can most easily change.
func (j *judgement) whyNobody() string {
	if longest := j.longest(); longest > 0 {
		return fmt.Sprintf("You may have this for at most %s; ask with --for %s or less.", shortDuration(longest), shortDuration(longest))
	}
	for _, r := range []Result{
		ResultUnmet, ResultNoReviewer, ResultPastUntil, ResultError, ResultConditionFalse, ResultOnlyBreakGlass, ResultNotBreakGlass,
		ResultNotOnBehalf,
	} {
		if e := j.find(EffectAllow, r); e != nil {
			return j.whyNot(e)
		}
	}
	return fmt.Sprintf("No policy gives you %s; \"curfew list\" shows what you can ask for.", j.target.Entitlement)
}

// whyNot is the sentence on an allowing policy that came close.
func (j *judgement) whyNot(e *entry) string {
	explain := fmt.Sprintf("\"curfew explain %s\"", j.target.Entitlement)
	switch e.Result {
	case ResultUnmet:
		return whyUnmet(e)
	case ResultNoReviewer:
		return whyNoReviewer(e)
	case ResultPastUntil:
		return fmt.Sprintf("Policy %q does not cover this time: %s; ask for a time that it covers.", e.Policy, e.Detail)
	case ResultError:
		return fmt.Sprintf("Policy %q would cover this but cannot be evaluated; tell an administrator, who sees the error with %s.", e.Policy, explain)
	case ResultConditionFalse:
		return fmt.Sprintf("The condition of policy %q does not hold now; %s shows all that could cover this.", e.Policy, explain)
	case ResultOnlyBreakGlass:
		return fmt.Sprintf("Only the break-glass policy %q covers this; in an emergency ask with --break-glass.", e.Policy)
	case ResultNotOnBehalf:
		return fmt.Sprintf("No policy lets you ask for %s in another's name; they can ask for it themselves.", j.target.Entitlement)
	default:
		return "No break-glass policy covers this; ask without --break-glass."
	}
}

func whyUnmet(e *entry) string {
	unmet := strings.Split(e.Detail, ", ")
	if slices.Contains(unmet, RequireMFA) {
		return fmt.Sprintf("Policy %q demands a second factor, which only humans have; a human, or an agent of one, must ask for this.", e.Policy)
	}
	return fmt.Sprintf("Policy %q demands a %s; ask with --%s.", e.Policy, strings.Join(unmet, " and a "), strings.Join(unmet, " and --"))
}

func whyNoReviewer(e *entry) string {
	return fmt.Sprintf("Policy %q has too few reviewers for you: %s; tell an administrator.", e.Policy, e.Detail)
}

// shortDuration is d without the zero units at its end: 4h, not 4h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clip keeps an error text of bounded length.
func clip(s string) string {
	if r := []rune(s); len(r) > maxDetail {
		return string(r[:maxDetail]) + "…"
	}
	return s
}
