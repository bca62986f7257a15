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
	someReviewers = []string{"anyone", "group:leads", "group:security", "group:nobody", "person:bob", "owner-of-resource"}
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
	if rapid.Bool().Draw(t, "agent") {
		in.Principal = access.Principal{ID: staticID("bot"), Kind: access.Agent, Person: "alice", Groups: []string{"static/payments"}, ActsFor: staticID("carol")}
	}
	in.Targets = nil
	for range rapid.IntRange(1, 3).Draw(t, "targets") {
		in.Targets = append(in.Targets, drawTarget(t))
	}
	everybody := []policy.Reviewer{human("alice"), human("bob"), human("carol"), human("dave"), {ID: staticID("bot"), Kind: access.Agent, Person: "bob"}}
	in.Reviewers = map[string][]policy.Reviewer{}
	for _, s := range []string{"anyone", "group:static/leads", "group:static/security", "group:static/payments", "person:bob"} {
		in.Reviewers[s] = everybody[:rapid.IntRange(0, len(everybody)).Draw(t, s)]
	}
	switch rapid.IntRange(0, 2).Draw(t, "fact") {
	case 1:
		in.Facts = map[string]policy.Fact{`oncall("primary")`: {Error: "no answer"}}
	case 2:
		in.Facts = map[string]policy.Fact{`oncall("primary")`: {Value: json.RawMessage(`{"now":true,"until":"2026-03-02T10:20:00Z"}`)}}
	}
	return in
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
			if target.Duration <= 0 || target.Duration > asked || target.Duration > most || target.MaxDuration != most {
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
			var names []string
			var relevant []policy.Considered
			for _, c := range e.Trace {
				names = append(names, c.Policy)
				if c.Result == "" {
					t.Fatalf("nothing became of %s", c.Policy)
				}
				if c.Result != policy.ResultNotForYou && c.Result != policy.ResultNotForThis {
					relevant = append(relevant, c)
				}
			}
			if len(names) != len(policies) {
				t.Fatalf("only %v are traced", names)
			}
			if diff := cmp.Diff(decided.Targets[i].Trace, relevant); diff != "" {
				t.Fatal(diff)
			}
			explained.Targets[i].Trace = decided.Targets[i].Trace
		}
		if diff := cmp.Diff(decided, explained); diff != "" {
			t.Fatal(diff)
		}
	})
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
		if diff := cmp.Diff(policy.Tally(d, alice(), others), policy.Tally(d, alice(), reviews)); diff != "" {
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
		if diff := cmp.Diff(policy.Tally(d, alice(), reviews), policy.Tally(d, alice(), shuffled)); diff != "" {
			t.Fatal(diff)
		}
	})
}
