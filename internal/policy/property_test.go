package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// The little world of the properties: few enough words that policies and requests meet.
var (
	someSelectors = []string{"anyone", "group:payments", "group:leads", "group:security", "principal:alice", "person:bob", "kind:human", "kind:agent", "owner-of-resource"}
	someReviewers = []string{"anyone", "group:leads", "group:security", "group:nobody", "person:bob", "owner-of-resource", "manager-of-requester"}
	somePatterns  = []string{"**", "orders-db/**:*", "orders-db/*:read", "orders-db/orders:write", "*/**:read", "bundle:incident", "billing-db/**:*"}
	someWhens     = []string{
		"", "", "true", "false", `resource.labels.env == "prod"`, `resource.labels[?"env"].orValue("") != "prod"`, `oncall("primary").now`,
		`request.duration <= duration("30m")`, `request.duration > duration("30m")`, "request.mfa", "!request.break_glass", `request.reason != ""`,
		`resource.name == "orders"`, `resource.entitlement.endsWith(":read")`, `resource.permission != "read" && resource.connector.startsWith("orders")`,
		`resource.type == ""`, `resource.bundle == ""`, `["orders", resource.name].exists(n, n == "eu/orders")`,
	}
	someUntils = []string{"", "", `oncall("primary").until`, `now + duration("10m")`, `now - duration("1s")`, `timestamp(resource.labels.env)`}
	someTimes  = []time.Duration{time.Second, 10 * time.Minute, 30 * time.Minute, time.Hour, 8 * time.Hour}
)

func drawList(t *rapid.T, from []string, label string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, label)
}

func drawStages(t *rapid.T, least int) []policy.Stage {
	stages := make([]policy.Stage, rapid.IntRange(least, 2).Draw(t, "stages"))
	for i := range stages {
		stages[i] = policy.Stage{From: drawList(t, someReviewers, "from"), Count: 1}
		if slices.Contains(stages[i].From, "anyone") {
			stages[i].Count = rapid.IntRange(1, 3).Draw(t, "count")
		} else if rapid.IntRange(0, 3).Draw(t, "falls back") == 0 {
			stages[i].Fallback = &policy.Fallback{From: []string{"anyone"}, Within: time.Hour}
		}
	}
	return stages
}

func drawRequirements(t *rapid.T) policy.Requirements {
	return policy.Requirements{Reason: rapid.Bool().Draw(t, "reason"), Ticket: rapid.Bool().Draw(t, "ticket"), MFA: rapid.Bool().Draw(t, "mfa")}
}

func drawPolicy(t *rapid.T, name string, effect policy.Effect) policy.Policy {
	p := policy.Policy{
		Name: name, Effect: effect, Who: drawList(t, someSelectors, "who"), What: drawList(t, somePatterns, "what"),
		When: rapid.SampledFrom(someWhens).Draw(t, "when"),
	}
	switch effect {
	case policy.EffectAllow:
		p.MaxDuration = rapid.SampledFrom(someTimes).Draw(t, "max")
		p.OnBehalfOf = rapid.SampledFrom([][]string{nil, nil, {"group:leads"}, {"manager-of-requester"}}).Draw(t, "on behalf of")
		p.Until = rapid.SampledFrom(someUntils).Draw(t, "until")
		p.Stages = drawStages(t, 0)
		p.Auto = len(p.Stages) == 0
		if rapid.Bool().Draw(t, "requires") {
			p.Require = drawRequirements(t)
		}
		if rapid.IntRange(0, 3).Draw(t, "break-glass") == 0 {
			p.BreakGlass = &policy.BreakGlass{ReportWithin: time.Hour, ReviewBy: []string{"group:security"}}
		}
	case policy.EffectGuard:
		p.Stages = drawStages(t, 1)
		p.Require = drawRequirements(t)
	case policy.EffectDeny:
	}
	return p
}

func drawPolicies(t *rapid.T) []policy.Policy {
	effects := []policy.Effect{policy.EffectAllow, policy.EffectAllow, policy.EffectAllow, policy.EffectDeny, policy.EffectGuard}
	policies := make([]policy.Policy, rapid.IntRange(1, 6).Draw(t, "policies"))
	for i := range policies {
		policies[i] = drawPolicy(t, fmt.Sprintf("p%d", i), rapid.SampledFrom(effects).Draw(t, "effect"))
	}
	return policies
}

func drawInput(t *rapid.T) policy.Input {
	in := usualInput()
	in.Duration = rapid.SampledFrom(append([]time.Duration{0}, someTimes...)).Draw(t, "duration")
	in.Reason = rapid.SampledFrom([]string{"", "order 17"}).Draw(t, "reason")
	in.Ticket = rapid.SampledFrom([]string{"", "OPS-1"}).Draw(t, "ticket")
	in.MFA = rapid.Bool().Draw(t, "mfa")
	in.BreakGlass = rapid.IntRange(0, 3).Draw(t, "break-glass") == 0
	agent := rapid.Bool().Draw(t, "agent")
	in.Targets = nil
	for range rapid.IntRange(1, 3).Draw(t, "targets") {
		in.Targets = append(in.Targets, drawTarget(t))
	}
	in.Reviewers, in.Facts = drawReviewers(t), drawFacts(t)
	if agent {
		in.Human = drawHuman(t, in.Principal)
		in.Principal = access.Principal{
			ID: staticID("bot"), Kind: access.Agent, Person: "alice", Groups: drawGroups(t), ActsFor: in.Human.Principal.ID,
		}
	}
	return in
}

// drawHuman draws one for whom an agent acts, who may be in other groups than the agent.
func drawHuman(t *rapid.T, p access.Principal) *policy.Human {
	p.Groups = drawGroups(t)
	h := &policy.Human{Principal: p, Reviewers: drawReviewers(t), Facts: drawFacts(t)}
	if rapid.IntRange(0, 4).Draw(t, "no account") == 0 {
		h.NoAccount = map[access.ConnectorName]string{"orders-db": "You have no account behind orders-db."}
	}
	return h
}

func drawGroups(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{{"static/payments"}, {"static/payments"}, {"static/leads", "static/payments"}, {}}).Draw(t, "groups")
}

func drawReviewers(t *rapid.T) map[string][]policy.Reviewer {
	everybody := []policy.Reviewer{human("alice"), human("bob"), human("carol"), human("dave"), {ID: staticID("bot"), Kind: access.Agent, Person: "bob"}}
	reviewers := map[string][]policy.Reviewer{}
	for _, s := range []string{"anyone", "group:static/leads", "group:static/security", "group:static/payments", "person:bob"} {
		reviewers[s] = everybody[:rapid.IntRange(0, len(everybody)).Draw(t, s)]
	}
	return reviewers
}

func drawFacts(t *rapid.T) map[string]policy.Fact {
	switch rapid.IntRange(0, 2).Draw(t, "fact") {
	case 1:
		return map[string]policy.Fact{`oncall("primary")`: {Error: "no answer"}}
	case 2:
		return map[string]policy.Fact{`oncall("primary")`: {Value: json.RawMessage(`{"now":true,"until":"2026-03-02T10:20:00Z"}`)}}
	}
	return nil
}

func drawTarget(t *rapid.T) policy.Target {
	e, err := access.ParseEntitlement(rapid.SampledFrom([]string{"orders-db/orders:read", "orders-db/orders:write", "orders-db/eu/orders:read", "billing-db/bills:read"}).Draw(t, "entitlement"))
	if err != nil {
		t.Fatal(err)
	}
	target := policy.Target{Entitlement: e, Bundle: rapid.SampledFrom([]string{"", "incident"}).Draw(t, "bundle")}
	if env := rapid.SampledFrom([]string{"", "prod", "test"}).Draw(t, "env"); env != "" {
		target.Labels = map[string]string{"env": env, "team": "payments"}
	}
	target.Owners = rapid.SampledFrom([][]string{nil, {"group:payments"}, {"group:leads", "person:bob"}}).Draw(t, "owners")
	return target
}

func compile(t interface {
	Helper()
	Fatal(...any)
}, policies []policy.Policy) *policy.Set {
	t.Helper()
	set, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// checkNoWider fails if after gives something that before did not, or for less.
func checkNoWider(t *rapid.T, before, after policy.Decision) {
	t.Helper()
	for i, b := range before.Targets {
		a := after.Targets[i]
		switch {
		case a.Verdict == policy.VerdictDenied:
			continue
		case b.Verdict == policy.VerdictDenied, b.Verdict == policy.VerdictReview && a.Verdict == policy.VerdictAuto:
			t.Fatalf("%s was %s and is %s", b.Entitlement, b.Verdict, a.Verdict)
		case a.Duration > b.Duration, !a.Until.Equal(b.Until):
			t.Fatalf("%s was for %s until %s and is for %s until %s", b.Entitlement, b.Duration, b.Until, a.Duration, a.Until)
		}
	}
	if after.Verdict == policy.VerdictDenied {
		return
	}
	if before.Verdict == policy.VerdictDenied {
		t.Fatalf("the request was denied and is %s", after.Verdict)
	}
	for _, s := range before.Stages {
		if !slices.ContainsFunc(after.Stages, func(o policy.OpenStage) bool { return cmp.Equal(s, o) }) {
			t.Fatalf("stage %d of %s is gone", s.Index, s.Policy)
		}
	}
	for _, m := range before.Missing {
		if !slices.Contains(after.Missing, m) {
			t.Fatalf("%s is not missing any more", m)
		}
	}
}

func TestAddingADenyOrAGuardNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies, in := drawPolicies(t), drawInput(t)
		effect := rapid.SampledFrom([]policy.Effect{policy.EffectDeny, policy.EffectGuard}).Draw(t, "added")
		added := slices.Insert(slices.Clone(policies), rapid.IntRange(0, len(policies)).Draw(t, "at"), drawPolicy(t, "added", effect))
		checkNoWider(t, compile(t, policies).Decide(in), compile(t, added).Decide(in))
	})
}

func TestWithoutAnAllowNothingIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies := slices.DeleteFunc(drawPolicies(t), func(p policy.Policy) bool { return p.Effect == policy.EffectAllow })
		if d := compile(t, policies).Decide(drawInput(t)); d.Verdict != policy.VerdictDenied {
			t.Fatalf("it is %s", d.Verdict)
		}
	})
}

func TestDecidingIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies, in := drawPolicies(t), drawInput(t)
		set := compile(t, policies)
		want := set.Decide(in)
		for range 3 {
			again := roundTrip(t, in)
			for i := range again.Targets {
				again.Targets[i].Labels = rebuilt(again.Targets[i].Labels)
			}
			again.Reviewers, again.Facts = rebuilt(again.Reviewers), rebuilt(again.Facts)
			if diff := cmp.Diff(want, set.Decide(again)); diff != "" {
				t.Fatal(diff)
			}
		}
		loaded, err := policy.Load(set.Source())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, loaded.Decide(in)); diff != "" || loaded.Digest() != set.Digest() {
			t.Fatal("decided otherwise when loaded", diff)
		}
	})
}

// rebuilt is the map with its elements inserted in another order.
func rebuilt[V any](m map[string]V) map[string]V {
	if m == nil {
		return nil
	}
	out := make(map[string]V)
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(m))) {
		out[k] = m[k]
	}
	return out
}

func TestWhatIsGrantedHasLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies, in := drawPolicies(t), drawInput(t)
		set := compile(t, policies)
		d := set.Decide(in)
		for _, target := range d.Targets {
			if target.Verdict == policy.VerdictDenied {
				continue
			}
			i := slices.IndexFunc(policies, func(p policy.Policy) bool { return p.Name == target.Policy })
			most, asked := policies[i].MaxDuration, in.Duration
			if asked == 0 {
				asked = policy.DefaultDuration
			}
			if target.Duration <= 0 || target.Duration > asked || target.Duration > most || target.MaxDuration > most || in.Human == nil && target.MaxDuration != most {
				t.Fatalf("%s of at most %s, for %s asked of a maximum of %s", target.Duration, target.MaxDuration, asked, most)
			}
			if !target.Until.IsZero() && !target.Until.After(in.Now) {
				t.Fatalf("until %s is past", target.Until)
			}
			if !slices.Contains(d.Digests, set.Digests()[target.Policy]) {
				t.Fatalf("the digest of %s is not bound", target.Policy)
			}
		}
		if (d.Verdict == policy.VerdictReview) != (len(d.Stages) > 0) {
			t.Fatalf("%s with %d stages", d.Verdict, len(d.Stages))
		}
	})
}

func TestExplainDecidesTheSameOfEveryPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policies, in := drawPolicies(t), drawInput(t)
		set := compile(t, policies)
		decided, explained := set.Decide(in), set.Explain(in)
		for i, e := range explained.Targets {
			checkTrace(t, len(policies), decided.Targets[i].Trace, e.Trace)
			if in.Human != nil {
				checkTrace(t, len(policies), decided.Targets[i].HumanTrace, e.HumanTrace)
			}
			explained.Targets[i].Trace, explained.Targets[i].HumanTrace = decided.Targets[i].Trace, decided.Targets[i].HumanTrace
		}
		if diff := cmp.Diff(decided, explained); diff != "" {
			t.Fatal(diff)
		}
	})
}

// checkTrace fails if an explanation leaves a policy out, or says of those that concern the request anything but the decision.
// Of a target that is denied whatever the policies say neither says anything.
func checkTrace(t *rapid.T, policies int, decided, explained []policy.Considered) {
	t.Helper()
	if len(explained) == 0 && len(decided) == 0 {
		return
	}
	var relevant []policy.Considered
	for _, c := range explained {
		if c.Result == "" {
			t.Fatalf("nothing became of %s", c.Policy)
		}
		if c.Result != policy.ResultNotForYou && c.Result != policy.ResultNotForThis {
			relevant = append(relevant, c)
		}
	}
	if len(explained) != policies {
		t.Fatalf("only %d of %d are traced", len(explained), policies)
	}
	if diff := cmp.Diff(decided, relevant); diff != "" {
		t.Fatal(diff)
	}
}

func TestAnAgentsDecisionIsNeverWiderThanItsHumans(t *testing.T) {
	given := 0
	rapid.Check(t, func(t *rapid.T) {
		policies, in := drawPolicies(t), drawInput(t)
		// Of what is drawn at random little is for an agent and its human both.
		for _, who := range [][]string{{"kind:agent"}, {"kind:human"}, {"anyone"}, {"group:payments"}} {
			p := policy.Policy{Name: fmt.Sprintf("more-%d", len(policies)), Effect: policy.EffectAllow, Who: who, What: []string{"**"}}
			p.MaxDuration = rapid.SampledFrom(someTimes).Draw(t, "max")
			p.Until, p.Stages = rapid.SampledFrom(someUntils).Draw(t, "until"), drawStages(t, 0)
			p.Auto = len(p.Stages) == 0
			policies = append(policies, p)
		}
		if in.Human == nil {
			return
		}
		set := compile(t, policies)
		agent, human := set.Decide(in), set.Decide(in.ForHuman())
		checkNarrowed(t, agent, human)
		for i, one := range set.DecideEach(in) {
			alone := in
			alone.Targets = in.Targets[i : i+1]
			checkNarrowed(t, one, set.Decide(alone.ForHuman()))
		}
		if agent.Verdict != policy.VerdictDenied {
			given++
		}
	})
	if given == 0 {
		t.Error("no agent was ever given anything, so that nothing was compared")
	}
}

// checkNarrowed fails if the agent is given anything that its human would not be, or for longer, or for less.
func checkNarrowed(t *rapid.T, agent, human policy.Decision) {
	t.Helper()
	for i := range human.Targets {
		a, h := &agent.Targets[i], human.Targets[i]
		if !h.Until.IsZero() && (a.Until.IsZero() || a.Until.After(h.Until)) && a.Verdict != policy.VerdictDenied {
			t.Fatalf("%s is until %s for the agent, and until %s for the human", a.Entitlement, a.Until, h.Until)
		}
		if a.Verdict != policy.VerdictDenied && a.MaxDuration > h.MaxDuration {
			t.Fatalf("%s is for at most %s for the agent, and %s for the human", a.Entitlement, a.MaxDuration, h.MaxDuration)
		}
		human.Targets[i].Until = a.Until // what is earlier is narrower
	}
	checkNoWider(t, human, agent)
}

// drawReviews draws reviews by a few people with several accounts, the requester among them.
func drawReviews(t *rapid.T) []policy.Reviewed {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Reviewed {
		p := person(rapid.SampledFrom([]string{"alice", "bob", "carol", "dave"}).Draw(t, "person"), "static/leads", "static/security")
		p.ID.Issuer = rapid.SampledFrom([]string{"static", "okta"}).Draw(t, "issuer")
		p.Kind = rapid.SampledFrom([]access.PrincipalKind{access.Human, access.Human, access.Human, access.Agent}).Draw(t, "kind")
		return review(p, access.Approve, rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "cap"))
	}), 0, 6).Draw(t, "reviews")
}

func TestTheRequesterNeverCounts(t *testing.T) {
	d := toReview(openStage("p", 0, 2, "anyone"), openStage("p", 1, 1, "group:static/security"))
	rapid.Check(t, func(t *rapid.T) {
		reviews := drawReviews(t)
		others := slices.DeleteFunc(slices.Clone(reviews), func(r policy.Reviewed) bool {
			return r.Reviewer.Person == "alice" || r.Reviewer.Kind != access.Human
		})
		if diff := cmp.Diff(tally(d, others), tally(d, reviews)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestOrderWithinAStageDoesNotMatter(t *testing.T) {
	d := toReview(openStage("p", 0, 2, "group:static/leads"), openStage("guard", 0, 3, "anyone"))
	rapid.Check(t, func(t *rapid.T) {
		reviews := drawReviews(t)
		for i := range reviews {
			reviews[i].Review.Cap = 0 // of a person's several approvals the first counts, with its cap
		}
		shuffled := rapid.Permutation(reviews).Draw(t, "order")
		if diff := cmp.Diff(tally(d, reviews), tally(d, shuffled)); diff != "" {
			t.Fatal(diff)
		}
	})
}
