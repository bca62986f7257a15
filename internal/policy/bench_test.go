package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// manyPolicies are 1,000 policies of 100 teams over 100 connectors, which name 10,000 entitlements between them.
func manyPolicies() []policy.Policy {
	var policies []policy.Policy
	for i := range 1000 {
		p := policy.Policy{
			Name: fmt.Sprintf("policy-%d", i), Effect: policy.EffectAllow, Who: []string{fmt.Sprintf("group:team-%d", i%100)},
			When: `resource.labels[?"env"].orValue("") == "prod"`, MaxDuration: time.Hour,
			Stages: []policy.Stage{{From: []string{"group:leads"}, Count: 1}},
		}
		for k := range 10 {
			p.What = append(p.What, fmt.Sprintf("db-%d/shop-%d/*:read", i%100, i/100*10+k))
		}
		policies = append(policies, p)
	}
	policies[500].Effect, policies[500].MaxDuration = policy.EffectGuard, 0
	policies[700] = policy.Policy{Name: "freeze", Effect: policy.EffectDeny, Who: []string{"anyone"}, What: []string{"**"}, When: "now.getFullYear() < 2000"}
	return policies
}

func manyInput() policy.Input {
	in := usualInput()
	in.Principal.Groups = []string{"static/team-1", "static/team-2", "static/team-3"}
	in.Targets = []policy.Target{{
		Entitlement: access.Entitlement{Connector: "db-2", Resource: "shop-35/orders", Permission: "read"},
		Labels:      map[string]string{"env": "prod"},
	}}
	return in
}

// BenchmarkDecide decides one target: under 50 µs is what the plan asks for.
func BenchmarkDecide(b *testing.B) {
	set, in := compileBench(b), manyInput()
	if d := set.Decide(in); d.Verdict != policy.VerdictReview {
		b.Fatal(d.Why)
	}
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(in)
	}
}

// BenchmarkDecideEverybody is the same where the requester is in every group, so that only patterns tell policies apart.
func BenchmarkDecideEverybody(b *testing.B) {
	set, in := compileBench(b), manyInput()
	for i := range 100 {
		in.Principal.Groups = append(in.Principal.Groups, fmt.Sprintf("static/team-%d", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(in)
	}
}

// BenchmarkExplain traces all policies.
func BenchmarkExplain(b *testing.B) {
	set, in := compileBench(b), manyInput()
	b.ReportAllocs()
	for b.Loop() {
		set.Explain(in)
	}
}

// BenchmarkCompile reads the 1,000 policies.
func BenchmarkCompile(b *testing.B) {
	policies := manyPolicies()
	for b.Loop() {
		if _, err := policy.Compile(policies); err != nil {
			b.Fatal(err)
		}
	}
}

func compileBench(b *testing.B) *policy.Set {
	b.Helper()
	set, err := policy.Compile(manyPolicies())
	if err != nil {
		b.Fatal(err)
	}
	return set
}
