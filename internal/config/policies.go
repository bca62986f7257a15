package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/policy"
)

// policies makes the policies and compiles them. What a policy may say is for package policy to judge; here is what
// needs the other sections, and the place in the file.
func (a *assembly) policies() ([]policy.Policy, *policy.Set) {
	policies := make([]policy.Policy, 0, len(a.written.Policies))
	for i, w := range a.written.Policies {
		p := policy.Policy{
			Name: w.Name, Effect: w.Effect, Who: w.Who, What: w.What, When: w.When, Until: w.Until,
			MaxDuration: w.MaxDuration,
			Require:     policy.Requirements{Reason: w.Require.Reason, Ticket: w.Require.Ticket, MFA: w.Require.MFA},
		}
		p.OnBehalfOf = a.onBehalfOf(i, w.OnBehalfOf)
		if p.Effect == "" {
			p.Effect = policy.EffectAllow
		}
		p.Auto, p.Stages = a.approval(i, w.Approve)
		policies = append(policies, p)
		a.checkReferences(i, p)
		a.checkPasskeys(i, p)
	}
	set, err := policy.Compile(policies)
	if err == nil {
		a.refuseFacts(set, nil)
		return policies, set
	}
	wrong := map[int]bool{}
	for _, err := range flatten(err) {
		wrong[a.complainPolicy(err)] = true
	}
	a.refuseFactsOfSound(policies, wrong)
	return policies, nil
}

// refuseFactsOfSound looks for fact functions in the policies that have no other mistake.
func (a *assembly) refuseFactsOfSound(policies []policy.Policy, wrong map[int]bool) {
	var sound []policy.Policy
	var places []int
	for i, p := range policies {
		if !wrong[i] {
			sound, places = append(sound, p), append(places, i)
		}
	}
	if set, err := policy.Compile(sound); err == nil {
		a.refuseFacts(set, places)
	}
}

// refuseFacts refuses questions to the world: nothing that could answer them is built yet. places are the policies'
// places in the file; nil when they are all there.
func (a *assembly) refuseFacts(set *policy.Set, places []int) {
	for _, use := range set.FactUses() {
		if places != nil {
			use.Policy = places[use.Policy]
		}
		a.complainWithin(keyPath("policies", use.Policy, use.Field), use.Line, use.Column,
			fmt.Sprintf("the fact function %s is not built yet: remove the call", use.Call.Function))
	}
}

// approval reads "auto" or a list of stages. Absent is neither.
func (a *assembly) approval(i int, n *node) (auto bool, stages []policy.Stage) {
	const form = "want auto, or a list of stages as in [{from: ['group:leads'], count: 1}]"
	switch {
	case n == nil:
		return false, nil
	case n.kind == kindText && n.text == "auto":
		n.public = true
		return true, nil
	case n.kind == kindText:
		n.public = true
		a.refuse(n, "approve %s: %s", quote(n.text), form)
		return false, nil
	case n.kind != kindList:
		a.refuse(n, "approve is %s: %s", n.kind, form)
		return false, nil
	}
	var written []stageSchema
	a.decode(n, reflect.ValueOf(&written).Elem(), "policies.approve")
	for j, w := range written {
		stages = append(stages, a.stage(keyPath("policies", i, "approve", j), w))
	}
	return false, stages
}

// onBehalfOf reads who may ask for others. An empty list would say that somebody may, and mean nobody.
func (a *assembly) onBehalfOf(i int, written *[]string) []string {
	if written == nil {
		return nil
	}
	if len(*written) == 0 {
		a.complain(keyPath("policies", i, "on_behalf_of"), "the list is empty: name who may ask in the name of those in who, or leave it out")
	}
	return *written
}

func (a *assembly) stage(at []string, w stageSchema) policy.Stage {
	stage := policy.Stage{From: w.From, Count: 1, MFA: w.MFA, Within: a.within(at, w.Within, "the request would lapse at once")}
	if w.Count != nil {
		stage.Count = *w.Count
	}
	stage.NoDelegates = w.Delegates != nil && !*w.Delegates
	if w.Fallback != nil {
		at := append(slices.Clip(at), "fallback")
		stage.Fallback = &policy.Fallback{From: w.Fallback.From, Within: a.within(at, w.Fallback.Within, "nobody would have time to answer")}
	}
	return stage
}

// within reads how long is waited; nil, which leaves it to package policy, is not the same as no time.
func (a *assembly) within(at []string, written *time.Duration, so string) time.Duration {
	if written == nil {
		return 0
	}
	if *written == 0 {
		a.complain(append(slices.Clip(at), "within"), "within 0s: %s; want %s", so, wantDuration)
	}
	return *written
}

// checkReferences refuses people and targets that are not configured, and stages that cannot be passed.
func (a *assembly) checkReferences(i int, p policy.Policy) {
	a.checkSelectors(keyPath("policies", i, "who"), p.Who)
	a.checkSelectors(keyPath("policies", i, "on_behalf_of"), p.OnBehalfOf)
	for j, pattern := range p.What {
		a.checkPattern(keyPath("policies", i, "what", j), pattern)
	}
	for j, stage := range p.Stages {
		at := keyPath("policies", i, "approve", j, "from")
		if a.checkSelectors(at, stage.From) {
			a.checkReviewers(at, stage)
		}
		if stage.Fallback != nil {
			a.checkFallback(keyPath("policies", i, "approve", j, "fallback", "from"), *stage.Fallback)
		}
	}
}

// checkPasskeys refuses a second factor where no browser could have one: a passkey belongs to the name of a host, and browsers
// have them over TLS and on this machine alone.
func (a *assembly) checkPasskeys(i int, p policy.Policy) {
	at := keyPath("policies", i, "require", "mfa")
	if !p.Require.MFA {
		j := slices.IndexFunc(p.Stages, func(s policy.Stage) bool { return s.MFA })
		if j < 0 {
			return
		}
		at = keyPath("policies", i, "approve", j, "mfa")
	}
	u, err := url.Parse(a.written.Server.URL)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil || u.Scheme != "https" && u.Hostname() != "localhost" {
		a.complain(at, "mfa needs server.url with the name of a host, as in url: https://curfew.example.com: browsers have passkeys for nothing else, but for http://localhost")
	}
}

// checkFallback refuses a fallback on people of whom nobody can review.
func (a *assembly) checkFallback(at []string, f policy.Fallback) {
	if a.checkSelectors(at, f.From) {
		a.checkReviewers(at, policy.Stage{From: f.From, Count: 1})
	}
}

// checkReviewers refuses a stage that too few people can fill, ever. Who owns a resource, and who asks, is not known here,
// so a stage with owners or managers passes.
func (a *assembly) checkReviewers(at []string, stage policy.Stage) {
	selectors := make([]policy.Selector, 0, len(stage.From))
	for _, written := range stage.From {
		s, err := policy.ParseSelector(written)
		if err != nil || s == policy.OwnerOfResource || s == policy.ManagerOfRequester {
			return
		}
		selectors = append(selectors, s)
	}
	if len(selectors) == 0 {
		return // package policy refuses it
	}
	if found := a.people.humans(selectors, stage.Count); found < stage.Count {
		a.complain(at, "%d must agree and only %d can: count the persons behind these selectors (agents and services never review)",
			stage.Count, found)
	}
}

// complainPolicy puts a mistake that package policy found in its place, and returns the policy's; -1 if it concerns
// them all.
func (a *assembly) complainPolicy(err error) int {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		a.complain(keyPath("policies"), "%v", err)
		return -1
	}
	a.complainWithin(append(keyPath("policies", e.Policy), e.Path...), e.Line, e.Column, e.Msg)
	return e.Policy
}

// complainWithin notes a mistake at a line and column of the text at the path; 0 is the text as a whole.
func (a *assembly) complainWithin(at []string, line, column int, msg string) {
	n, exact := a.root.find(at...)
	if exact && !n.bad && line > 0 {
		a.c.add(n.within(line, column), "%s", msg)
		return
	}
	if !exact {
		msg = at[len(at)-1] + ": " + msg // nothing there shows what it is about
	}
	a.complain(at, "%s", msg)
}
