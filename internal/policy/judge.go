package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/curfewhq/curfew/internal/access"
)

// ruling is the decision on one target with what it contributes to the whole.
type ruling struct {
	TargetDecision
	// policies are those that decided or guarded.
	policies []*compiled
	stages   []OpenStage
	missing  []string
}

// judgement is the deciding of one target. Allowing policies come first, because the duration that is granted where none
// was asked is the decider's, and conditions of denying policies and guards are about the duration that is granted.
type judgement struct {
	*hearing
	target  *Target
	owners  []Selector
	subject subject
	vars    cel.Activation
	// entries are the policies considered, in file order.
	entries []entry
	// decider is the allowing policy that decides; nil while there is none.
	decider *entry
}

// entry is what becomes of one policy.
type entry struct {
	Considered
	policy *compiled
	until  time.Time
}

func (h *hearing) judge(t *Target) ruling {
	owners, why := t.admit()
	if why != "" {
		return denied(t, why)
	}
	j := &judgement{hearing: h, target: t, owners: owners}
	if h.everything {
		j.considerAll()
	} else {
		j.consider(h.concerning(t, owners))
	}
	return j.reach()
}

func denied(t *Target, why string) ruling {
	return ruling{TargetDecision: TargetDecision{Entitlement: t.Entitlement, Verdict: VerdictDenied, Why: why, Implies: t.Implies}}
}

// admit reads the owners of the target, or says why it is denied whatever the policies say.
func (t *Target) admit() (owners []Selector, why string) {
	if err := t.Entitlement.Validate(); err != nil {
		return nil, fmt.Sprintf("This entitlement cannot exist (%v); \"curfew list\" shows what you can ask for.", err)
	}
	if t.NoAccount != "" {
		return nil, t.NoAccount
	}
	owners, err := parseOwners(t)
	if err != nil {
		return nil, fmt.Sprintf("The owners of %s cannot be read (%v); tell an administrator.", t.Entitlement, err)
	}
	return owners, ""
}

// reach tries the policies under consideration, and draws the conclusion.
func (j *judgement) reach() ruling {
	j.subject = subject{in: j.in, target: j.target, begin: j.begin, vars: j.set.vars}
	var err error
	if j.vars, err = cel.FunctionVars(&j.subject, j.facts); err != nil {
		return denied(j.target, "The policies cannot be evaluated; tell an administrator.")
	}
	j.tryAllows()
	j.tryDenies()
	j.tryGuards()
	return j.rule()
}

// consider takes policies whose who and what fit under consideration.
func (j *judgement) consider(policies []*compiled) {
	for _, p := range policies {
		j.entries = append(j.entries, newEntry(p, ""))
	}
}

// considerAll does so in an explanation, which has all others as well.
func (j *judgement) considerAll() {
	who := j.whoFits(j.owners)
	for i, p := range j.set.policies {
		result := Result("")
		if !who[i] {
			result = ResultNotForYou
		} else if !p.fits(j.target) {
			result = ResultNotForThis
		}
		j.entries = append(j.entries, newEntry(p, result))
	}
}

func newEntry(p *compiled, r Result) entry {
	return entry{policy: p, Considered: Considered{Policy: p.Name, Effect: p.Effect, Result: r}}
}

// concerning lists, in file order, the policies whose who and what fit.
func (h *hearing) concerning(t *Target, owners []Selector) []*compiled {
	who := h.whoFits(owners)
	var out []*compiled
	for _, i := range h.near(t) {
		if p := h.set.policies[i]; who[i] && p.fits(t) {
			out = append(out, p)
		}
	}
	return out
}

// near lists the policies with a pattern that may match the target. The targets of a connector mostly come one after the
// other, so the last list is kept.
func (h *hearing) near(t *Target) []int {
	if h.nearby == nil || h.nearTo.Entitlement.Connector != t.Entitlement.Connector || h.nearTo.Bundle != t.Bundle {
		h.nearTo, h.nearby = t, h.set.index.near(t)
	}
	return h.nearby
}

// whoFits marks the policies whose who fits, now that the owners are known.
func (h *hearing) whoFits(owners []Selector) []bool {
	if !slices.ContainsFunc(owners, func(o Selector) bool { return slices.Contains(h.mine, o) }) {
		return h.who
	}
	who := slices.Clone(h.who)
	for _, i := range h.set.index.who[OwnerOfResource] {
		who[i] = true
	}
	return who
}

func (p *compiled) fits(t *Target) bool {
	return slices.ContainsFunc(p.patterns, func(pt pattern) bool { return pt.matches(t) })
}

// untried lists the entries of an effect that have no result yet.
func (j *judgement) untried(e Effect) []*entry {
	var out []*entry
	for i := range j.entries {
		if t := &j.entries[i]; t.Effect == e && t.Result == "" {
			out = append(out, t)
		}
	}
	return out
}

// tryAllows finds the candidates and the first among them.
func (j *judgement) tryAllows() {
	for _, e := range j.untried(EffectAllow) {
		j.tryAllow(e)
		if e.Result == ResultCandidate && (j.decider == nil || byBurden(e.policy, j.decider.policy) < 0) {
			j.decider = e
		}
	}
	j.subject.duration = j.in.granted(access.MaxDuration)
	if j.decider != nil {
		j.decider.Result = ResultDecided
		j.subject.duration = j.in.granted(j.decider.policy.MaxDuration)
	}
}

// byBurden orders candidates: fewest stages, then fewest reviewers, then fewest requirements. The file's order is what
// remains.
func byBurden(a, b *compiled) int {
	return cmp.Or(
		cmp.Compare(len(a.Stages), len(b.Stages)),
		cmp.Compare(a.reviewers(), b.reviewers()),
		cmp.Compare(len(a.Require.names()), len(b.Require.names())),
	)
}

func (p *compiled) reviewers() int {
	n := 0
	for _, s := range p.Stages {
		n += s.Count
	}
	return n
}

// tryAllow gives the entry its result. The duration comes last, so that a policy that is too long would otherwise have
// been a candidate, and its maximum can be offered.
func (j *judgement) tryAllow(e *entry) {
	p := e.policy
	j.subject.duration = j.in.granted(p.MaxDuration)
	switch {
	case !j.in.AskedBy.ID.IsZero() && !p.letsAsk(j.in.AskedBy, j.in.Principal):
		e.Result = ResultNotOnBehalf
	case j.in.BreakGlass && p.BreakGlass == nil:
		e.Result = ResultNotBreakGlass
	case !j.in.BreakGlass && p.BreakGlass != nil:
		e.Result = ResultOnlyBreakGlass
	case !j.condition(e) || !j.until(e) || !j.demands(e):
	case j.in.Duration > p.MaxDuration:
		e.Result, e.Detail = ResultTooLong, "at most "+shortDuration(p.MaxDuration)
	default:
		e.Result, e.Detail = ResultCandidate, "at most "+shortDuration(p.MaxDuration)
	}
}

func (j *judgement) tryDenies() {
	for _, e := range j.untried(EffectDeny) {
		if j.condition(e) {
			e.Result = ResultDenied
		}
	}
}

func (j *judgement) tryGuards() {
	for _, e := range j.untried(EffectGuard) {
		if j.condition(e) && j.demands(e) {
			e.Result = ResultGuarded
		}
	}
}

// condition reports whether when holds; if not, the entry has its result.
func (j *judgement) condition(e *entry) bool {
	if e.policy.when == nil {
		return true
	}
	value, err := e.policy.when.eval(j.vars)
	if err != nil {
		e.Result, e.Detail = ResultError, "when: "+clip(err.Error())
		return false
	}
	if value != types.True {
		e.Result = ResultConditionFalse
		return false
	}
	return true
}

// until reports whether the policy's until, if it has one, is after the beginning of access; if not, the entry has its
// result.
func (j *judgement) until(e *entry) bool {
	if e.policy.until == nil {
		return true
	}
	value, err := e.policy.until.eval(j.vars)
	if err != nil {
		e.Result, e.Detail = ResultError, "until: "+clip(err.Error())
		return false
	}
	at, ok := value.(types.Timestamp)
	switch {
	case !ok || !at.After(time.Unix(0, 0)): // the time that a fact leaves out reads as the epoch
		e.Result, e.Detail = ResultPastUntil, "its end is not known"
	case !at.After(j.begin):
		e.Result, e.Detail = ResultPastUntil, "it ends at "+shortTime(at.Time)
	default:
		// Times are kept in microseconds; what is finer is cut off, never rounded up.
		e.until = at.UTC().Truncate(time.Microsecond)
		return true
	}
	return false
}

// demands reports whether the requirements are met, or still can be, and whether every stage has enough people; if
// not, the entry has its result.
func (j *judgement) demands(e *entry) bool {
	if unmet, _ := j.in.requirements(e.policy.Require); len(unmet) > 0 {
		e.Result, e.Detail = ResultUnmet, strings.Join(unmet, ", ")
		return false
	}
	for i, s := range j.stages(e.policy) {
		if !j.in.canPass(s) {
			e.Result, e.Detail = ResultNoReviewer, whyTooFew(e.policy.Stages[i], s)
			return false
		}
	}
	return true
}

// stages are the policy's stages for this target.
func (j *judgement) stages(p *compiled) []OpenStage {
	stages := make([]OpenStage, len(p.Stages))
	for i, s := range p.Stages {
		stages[i] = OpenStage{Policy: p.Name, Index: i, From: named(s.From, j.owners, j.in.Principal), Count: s.Count, Within: s.Within, NoDelegates: s.NoDelegates, MFA: s.MFA}
		if f := s.Fallback; f != nil {
			stages[i].Fallback = &Fallback{From: named(f.From, j.owners, j.in.Principal), Within: f.Within}
		}
	}
	return stages
}

// rule draws the conclusion: deny wins over all, then somebody must have allowed, then no guard may object.
func (j *judgement) rule() ruling {
	r := ruling{TargetDecision: TargetDecision{Entitlement: j.target.Entitlement, Verdict: VerdictDenied, Implies: j.target.Implies}}
	for _, e := range j.entries {
		r.Trace = append(r.Trace, e.Considered)
	}
	if e := j.find(EffectDeny, ResultDenied, ResultError); e != nil {
		r.deny(e, whyDenied(e, j.target))
		return r
	}
	if j.decider == nil {
		r.MaxDuration = j.longest()
		r.Why = j.whyNobody()
		return r
	}
	if e := j.find(EffectGuard, ResultError, ResultUnmet, ResultNoReviewer); e != nil {
		r.deny(e, whyDenied(e, j.target))
		return r
	}
	r.Verdict, r.Policy, r.Until = VerdictAuto, j.decider.Policy, j.decider.until
	r.MaxDuration = j.decider.policy.MaxDuration
	r.Duration = j.in.granted(r.MaxDuration)
	r.add(j, j.decider.policy)
	for _, e := range j.entries {
		if e.Result == ResultGuarded {
			r.Guards = append(r.Guards, e.Policy)
			r.add(j, e.policy)
		}
	}
	if len(r.stages) > 0 {
		r.Verdict = VerdictReview
	}
	r.Why = r.why()
	return r
}

// find is the first entry of that effect with one of the results.
func (j *judgement) find(effect Effect, results ...Result) *entry {
	for i := range j.entries {
		if e := &j.entries[i]; e.Effect == effect && slices.Contains(results, e.Result) {
			return e
		}
	}
	return nil
}

// longest is the longest duration that a policy admits which only the duration kept from being a candidate.
func (j *judgement) longest() time.Duration {
	var out time.Duration
	for _, e := range j.entries {
		if e.Result == ResultTooLong {
			out = max(out, e.policy.MaxDuration)
		}
	}
	return out
}

func (r *ruling) deny(e *entry, why string) {
	r.Policy, r.Why = e.Policy, why
	r.policies = append(r.policies, e.policy)
}

// add takes over what a policy asks for.
func (r *ruling) add(j *judgement, p *compiled) {
	r.policies = append(r.policies, p)
	r.stages = append(r.stages, j.stages(p)...)
	_, missing := j.in.requirements(p.Require)
	r.missing = append(r.missing, missing...)
}
