package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// TestDecidingEachIsDecidingAlone holds what is decided together against what each target gets by itself: many targets
// that differ in little, before policies that look at all of it.
func TestDecidingEachIsDecidingAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, in := compile(t, drawPolicies(t)), drawInput(t)
		for range rapid.IntRange(0, 30).Draw(t, "more targets") {
			in.Targets = append(in.Targets, drawOddTarget(t, rapid.SampledFrom(in.Targets).Draw(t, "like")))
		}
		checkEach(t, set, in)
	})
}

// checkEach fails where deciding each is not deciding it alone.
func checkEach(t interface {
	Helper()
	Fatalf(string, ...any)
}, set *policy.Set, in policy.Input) []policy.Decision {
	t.Helper()
	together := set.DecideEach(in)
	if len(together) != len(in.Targets) {
		t.Fatalf("%d decisions on %d targets", len(together), len(in.Targets))
	}
	for i := range in.Targets {
		alone := in
		alone.Targets = in.Targets[i : i+1]
		if diff := cmp.Diff(set.Decide(alone), together[i]); diff != "" {
			t.Fatalf("%+v (-alone +together):\n%s", in.Targets[i], diff)
		}
	}
	return together
}

// TestDecidingEachTellsApart has targets that one policy allows, each for reasons of its own.
func TestDecidingEachTellsApart(t *testing.T) {
	set := compile(t, []policy.Policy{{
		Name: "owners", Effect: policy.EffectAllow, Who: []string{"anyone"}, What: []string{"**"}, MaxDuration: time.Hour,
		When: `resource.labels.env == "prod"`, Until: `timestamp(resource.labels.until)`,
		Stages: []policy.Stage{{From: []string{"owner-of-resource"}, Count: 1}},
	}})
	in := usualInput()
	in.Reviewers = map[string][]policy.Reviewer{"group:static/leads": {human("bob")}, "group:static/security": {human("carol")}}
	target := func(resource, owner, until string) policy.Target {
		return policy.Target{
			Entitlement: access.Entitlement{Connector: "orders-db", Resource: resource, Permission: "read"}, Owners: []string{owner},
			Labels: map[string]string{"env": "prod", "until": until},
		}
	}
	const soon, late = "2099-01-01T00:00:00Z", "2099-02-01T00:00:00Z"
	in.Targets = []policy.Target{
		target("orders", "group:leads", soon), target("bills", "group:leads", soon), target("orders", "group:security", soon),
		target("orders", "group:leads", late), target("bills", "group:security", late),
	}
	for i, d := range checkEach(t, set, in) {
		if d.Verdict != policy.VerdictReview {
			t.Errorf("%+v is %s: %s", in.Targets[i], d.Verdict, d.Why)
		}
	}
}

// drawOddTarget draws a target that differs from another in at most a few things.
func drawOddTarget(t *rapid.T, like policy.Target) policy.Target {
	other := drawTarget(t)
	for _, change := range []func(){
		func() { like.Entitlement = other.Entitlement },
		func() { like.Entitlement.Resource = other.Entitlement.Resource },
		func() { like.Entitlement.Permission = other.Entitlement.Permission },
		func() { like.Entitlement.Permission = "not one" },
		func() { like.Labels = other.Labels },
		func() { like.Bundle = other.Bundle },
		func() { like.Owners = other.Owners },
		func() { like.Owners = []string{"everybody"} },
		func() { like.Type = "postgres" },
		func() { like.NoAccount = "You have no account there." },
		func() { like.Implies = access.Implied{Rights: []string{"staff"}} },
	} {
		if rapid.IntRange(0, 4).Draw(t, "changed") == 0 {
			change()
		}
	}
	return like
}

// TestDecidingEachOfABadInput has nothing to go by.
func TestDecidingEachOfABadInput(t *testing.T) {
	set, in := compile(t, manyPolicies()), manyInput()
	in.Targets = slices.Repeat(in.Targets, access.MaxEntitlements+1)
	in.Principal = access.Principal{}
	for i, d := range set.DecideEach(in) {
		if d.Verdict != policy.VerdictDenied || len(d.Targets) != 1 {
			t.Fatalf("decision %d is %+v", i, d)
		}
	}
	in.Targets = nil
	if d := set.DecideEach(in); len(d) != 0 {
		t.Errorf("without targets there are the decisions %+v", d)
	}
}

// BenchmarkDecideEach decides 10,000 targets that differ in their names only, by 1,000 policies.
func BenchmarkDecideEach(b *testing.B) {
	set, in := compileBench(b), manyInput()
	like := in.Targets[0]
	in.Targets = nil
	for i := range 10_000 {
		like.Entitlement.Resource = fmt.Sprintf("shop-%d/orders-%d", i%100, i)
		in.Targets = append(in.Targets, like)
	}
	b.ReportAllocs()
	for b.Loop() {
		set.DecideEach(in)
	}
}
