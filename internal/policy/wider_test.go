package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// changePolicies makes another set of a set, in one of the ways in which people do that.
func changePolicies(t *rapid.T, before []policy.Policy) []policy.Policy {
	after := slices.Clone(before)
	for range rapid.IntRange(1, 2).Draw(t, "changes") {
		i := rapid.IntRange(0, len(after)-1).Draw(t, "which")
		p := &after[i]
		switch rapid.IntRange(0, 9).Draw(t, "what is changed") {
		case 0:
			if len(after) > 1 {
				after = slices.Delete(after, i, i+1)
			}
		case 1:
			after = append(after, drawPolicy(t, fmt.Sprintf("new%d", len(after)), rapid.SampledFrom([]policy.Effect{policy.EffectAllow, policy.EffectDeny, policy.EffectGuard}).Draw(t, "effect")))
		case 2:
			p.Who = append(slices.Clone(p.Who), rapid.SampledFrom(someSelectors).Draw(t, "also"))
		case 3:
			p.Who = drawList(t, someSelectors, "who")
		case 4:
			if p.Effect == policy.EffectAllow {
				p.MaxDuration = rapid.SampledFrom(someTimes).Draw(t, "max")
			}
		case 5:
			p.Name = fmt.Sprintf("renamed%d", i)
		case 6:
			j := rapid.IntRange(0, len(after)-1).Draw(t, "with")
			after[i], after[j] = after[j], after[i]
		case 7:
			p.When = rapid.SampledFrom(someWhens).Draw(t, "when")
		case 8:
			p.What = drawList(t, somePatterns, "what")
		default:
			if p.Effect == policy.EffectAllow {
				p.Require.MFA = !p.Require.MFA
			}
		}
	}
	return after
}

// morePermissive says how a decision for a stated duration lets somebody have more than another did; nothing where it does not.
func morePermissive(before, after policy.Decision) string {
	rank := map[policy.Verdict]int{policy.VerdictDenied: 0, policy.VerdictReview: 1, policy.VerdictAuto: 2}
	switch {
	case rank[after.Verdict] > rank[before.Verdict]:
		return fmt.Sprintf("%s becomes %s", before.Verdict, after.Verdict)
	case after.Verdict == policy.VerdictDenied:
		return ""
	}
	for _, missing := range before.Missing {
		if !slices.Contains(after.Missing, missing) {
			return missing + " is wanted no more"
		}
	}
	for _, s := range before.Stages {
		same := func(o policy.OpenStage) bool {
			return slices.Equal(s.From, o.From) && s.Count == o.Count && slices.Equal(s.WithFallback().From, o.WithFallback().From)
		}
		if !slices.ContainsFunc(after.Stages, same) {
			return fmt.Sprintf("nobody of %v must agree any more", s.From)
		}
	}
	for i, target := range before.Targets {
		if now := after.Targets[i].Until; !target.Until.IsZero() && (now.IsZero() || now.After(target.Until)) {
			return "it ends later"
		}
	}
	return ""
}

// What is said not to be wider gives nobody more than they had.
func TestNotWiderGivesNoMore(t *testing.T) {
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		policies := drawPolicies(t)
		before, err := policy.Compile(policies)
		if err != nil {
			t.Skip(err)
		}
		after, err := policy.Compile(changePolicies(t, policies))
		if err != nil {
			t.Skip(err)
		}
		in := drawInput(t)
		who := []access.Principal{in.Principal}
		if in.Human != nil {
			who = append(who, in.Human.Principal)
		}
		if policy.Wider(before, after, who) != "" {
			return
		}
		said++
		for _, in.Duration = range someTimes {
			for i := range in.Targets {
				one := in
				one.Targets = in.Targets[i : i+1]
				if how := morePermissive(before.Decide(one), after.Decide(one)); how != "" {
					t.Fatalf("%s for %s: %s\nbefore %s\nafter %s", one.Targets[0].Entitlement, in.Duration, how, before.Source(), after.Source())
				}
			}
		}
	})
	if said == 0 {
		t.Error("everything is said to be wider, so that nothing was tried")
	}
}

func TestWider(t *testing.T) {
	alice := access.Principal{ID: staticID("alice"), Kind: access.Human, Person: "alice", Groups: []string{"static/eng"}}
	allow := func(name string, change func(*policy.Policy)) policy.Policy {
		p := policy.Policy{
			Name: name, Effect: policy.EffectAllow, Who: []string{"group:eng"}, What: []string{"db/**:*"}, MaxDuration: 2 * time.Hour, Auto: true,
		}
		change(&p)
		return p
	}
	as := func(*policy.Policy) {}
	deny := policy.Policy{Name: "deny", Effect: policy.EffectDeny, Who: []string{"anyone"}, What: []string{"db/**:write"}}
	mfa := allow("mfa", func(p *policy.Policy) { p.Require.MFA = true })
	reason := allow("reason", func(p *policy.Policy) { p.Require.Reason = true })
	for name, c := range map[string]struct {
		before, after []policy.Policy
		want          string
	}{
		"the same":            {[]policy.Policy{allow("a", as), deny}, []policy.Policy{allow("a", as), deny}, ""},
		"another name":        {[]policy.Policy{allow("a", as)}, []policy.Policy{allow("b", as)}, ""},
		"shorter":             {[]policy.Policy{allow("a", as)}, []policy.Policy{allow("a", func(p *policy.Policy) { p.MaxDuration = time.Hour })}, ""},
		"longer":              {[]policy.Policy{allow("a", as)}, []policy.Policy{allow("a", func(p *policy.Policy) { p.MaxDuration = 3 * time.Hour })}, `policy "a", which allows, was changed`},
		"others as well":      {[]policy.Policy{allow("a", as)}, []policy.Policy{allow("a", func(p *policy.Policy) { p.Who = append(p.Who, "group:ops") })}, ""},
		"removed":             {[]policy.Policy{allow("a", as), deny}, []policy.Policy{deny}, ""},
		"added":               {[]policy.Policy{deny}, []policy.Policy{deny, allow("a", as)}, `policy "a", which allows, was added`},
		"added for others":    {[]policy.Policy{deny}, []policy.Policy{deny, allow("a", func(p *policy.Policy) { p.Who = []string{"group:ops"} })}, ""},
		"on others' behalf":   {[]policy.Policy{deny}, []policy.Policy{deny, allow("a", func(p *policy.Policy) { p.Who, p.OnBehalfOf = []string{"group:ops"}, []string{"group:eng"} })}, `policy "a", which allows, was added`},
		"a denial less":       {[]policy.Policy{allow("a", as), deny}, []policy.Policy{allow("a", as)}, `policy "deny", which has the effect deny, was changed or removed`},
		"a denial more":       {[]policy.Policy{allow("a", as)}, []policy.Policy{allow("a", as), deny}, ""},
		"a milder one left":   {[]policy.Policy{mfa, reason}, []policy.Policy{reason}, `policy "mfa" was removed or made shorter, and policy "reason" decides in its stead`},
		"a stricter one left": {[]policy.Policy{allow("a", as), mfa}, []policy.Policy{mfa}, ""},
		"another order":       {[]policy.Policy{mfa, reason}, []policy.Policy{reason, mfa}, `policy "mfa" stands in another place among those that allow`},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := policy.Compile(c.before)
			if err != nil {
				t.Fatal(err)
			}
			after, err := policy.Compile(c.after)
			if err != nil {
				t.Fatal(err)
			}
			if got := policy.Wider(before, after, []access.Principal{alice}); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
