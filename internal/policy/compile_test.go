package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

func autoPolicy() policy.Policy {
	return policy.Policy{
		Name: "read", Effect: policy.EffectAllow, Who: []string{"group:payments"}, What: []string{"orders-db/**:*"},
		MaxDuration: 4 * time.Hour, Auto: true,
	}
}

func reviewedPolicy(stages ...policy.Stage) policy.Policy {
	p := autoPolicy()
	p.Name, p.Auto, p.Stages = "reviewed", false, stages
	return p
}

func denyPolicy() policy.Policy {
	return policy.Policy{Name: "freeze", Effect: policy.EffectDeny, Who: []string{"anyone"}, What: []string{"**"}}
}

func guardPolicy() policy.Policy {
	return policy.Policy{
		Name: "say-why", Effect: policy.EffectGuard, Who: []string{"anyone"}, What: []string{"**"},
		Require: policy.Requirements{Reason: true},
	}
}

func leads(count int) policy.Stage { return policy.Stage{From: []string{"group:leads"}, Count: count} }

// with changes a policy.
func with(p policy.Policy, change func(*policy.Policy)) []policy.Policy {
	change(&p)
	return []policy.Policy{p}
}

func auto(change func(*policy.Policy)) []policy.Policy { return with(autoPolicy(), change) }

func when(text string) []policy.Policy {
	return auto(func(p *policy.Policy) { p.When = text })
}

func stage(change func(*policy.Stage)) []policy.Policy {
	s := leads(1)
	change(&s)
	return []policy.Policy{reviewedPolicy(s)}
}

func TestCompileRefuses(t *testing.T) {
	fallback := func(f policy.Fallback) []policy.Policy {
		return stage(func(s *policy.Stage) { s.Fallback = &f })
	}
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		policies []policy.Policy
		want     string
	}{
		"no name":         {auto(func(p *policy.Policy) { p.Name = "" }), `policy number 1: name: name "": want 1 to 63 of a-z 0-9 -`},
		"bad name":        {auto(func(p *policy.Policy) { p.Name = "On Call" }), `policy "On Call": name: name "On Call": want 1 to 63 of a-z 0-9 -`},
		"name twice":      {[]policy.Policy{autoPolicy(), autoPolicy()}, `policy "read": name: the name is taken by policy number 1; names are unique`},
		"no effect":       {auto(func(p *policy.Policy) { p.Effect = "" }), `policy "read": effect: effect "": want allow, deny or guard`},
		"effect misspelt": {auto(func(p *policy.Policy) { p.Effect = "alow" }), `policy "read": effect: effect "alow": want allow, deny or guard; did you mean "allow"?`},

		"nobody approves, nil":   {auto(func(p *policy.Policy) { p.Auto = false }), `policy "read": approve: nobody would have to agree: say approve: auto if that is meant, or list at least one stage`},
		"nobody approves, []":    {auto(func(p *policy.Policy) { p.Auto, p.Stages = false, []policy.Stage{} }), `policy "read": approve: nobody would have to agree: say approve: auto if that is meant, or list at least one stage`},
		"nobody approves, {}":    {[]policy.Policy{reviewedPolicy(policy.Stage{})}, "policy \"reviewed\": approve.0.count: 0: want 1 to 32 people\npolicy \"reviewed\": approve.0.from: the list is empty, so that nothing would match; want at least one entry"},
		"auto and stages":        {auto(func(p *policy.Policy) { p.Stages = []policy.Stage{leads(1)} }), `policy "read": approve: want either auto or stages, not both`},
		"count zero":             {stage(func(s *policy.Stage) { s.Count = 0 }), `policy "reviewed": approve.0.count: 0: want 1 to 32 people`},
		"count negative":         {stage(func(s *policy.Stage) { s.Count = -1 }), `policy "reviewed": approve.0.count: -1: want 1 to 32 people`},
		"count beyond the named": {stage(func(s *policy.Stage) { s.Count, s.From = 2, []string{"principal:bob", "bob"} }), `policy "reviewed": approve.0.from.1: selector "bob": want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester`},
		"one named twice":        {stage(func(s *policy.Stage) { s.Count, s.From = 2, []string{"principal:bob", "principal:static/bob"} }), `policy "reviewed": approve.0.from: the stage wants 2 people and names 1, so that it could never be passed`},
		"agents review":          {stage(func(s *policy.Stage) { s.From = []string{"kind:agent"} }), `policy "reviewed": approve.0.from: kind:agent: only humans review`},
		"two managers":           {stage(func(s *policy.Stage) { s.Count, s.From = 2, []string{"manager-of-requester"} }), `policy "reviewed": approve.0.from: the stage wants 2 people and names 1, so that it could never be passed`},
		"managers ask":           {auto(func(p *policy.Policy) { p.Who = []string{"anyone", "manager-of-requester"} }), `policy "read": who.1: manager-of-requester says who reviews, not who asks: it stands in approve`},
		"within negative":        {stage(func(s *policy.Stage) { s.Within = -time.Hour }), `policy "reviewed": approve.0.within: -1h0m0s: want a duration from 1s to 720h`},
		"fallback, nil":          {fallback(policy.Fallback{}), `policy "reviewed": approve.0.fallback.from: the list is empty, so that nothing would match; want at least one entry`},
		"fallback, []":           {fallback(policy.Fallback{From: []string{}}), `policy "reviewed": approve.0.fallback.from: the list is empty, so that nothing would match; want at least one entry`},
		"fallback on agents":     {fallback(policy.Fallback{From: []string{"kind:agent"}}), `policy "reviewed": approve.0.fallback.from: kind:agent: only humans review`},
		"fallback on the same":   {fallback(policy.Fallback{From: []string{"group:static/leads"}}), `policy "reviewed": approve.0.fallback.from: everybody here stands in the stage from the beginning: name others, or remove the fallback`},
		"fallback, selector":     {fallback(policy.Fallback{From: []string{"x"}}), `policy "reviewed": approve.0.fallback.from.0: selector "x": want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester`},
		"fallback negative":      {fallback(policy.Fallback{From: []string{"person:carol"}, Within: -time.Hour}), `policy "reviewed": approve.0.fallback.within: -1h0m0s: want a duration from 1s to 720h`},
		"too many stages":        {[]policy.Policy{reviewedPolicy(make([]policy.Stage, 9)...)}, `policy "reviewed": approve: 9 stages are more than 8`},

		"no maximum":       {auto(func(p *policy.Policy) { p.MaxDuration = 0 }), `policy "read": max_duration: 0s: want a duration from 1s to 8784h`},
		"negative maximum": {auto(func(p *policy.Policy) { p.MaxDuration = -time.Hour }), `policy "read": max_duration: -1h0m0s: want a duration from 1s to 8784h`},
		"endless maximum":  {auto(func(p *policy.Policy) { p.MaxDuration = access.MaxDuration + time.Second }), `policy "read": max_duration: 8784h0m1s: want a duration from 1s to 8784h`},
		"half a second":    {auto(func(p *policy.Policy) { p.MaxDuration = 1500 * time.Millisecond }), `policy "read": max_duration: 1.5s: want whole seconds`},

		"nobody":              {auto(func(p *policy.Policy) { p.Who = nil }), `policy "read": who: the list is empty, so that nothing would match; want at least one entry`},
		"nothing":             {auto(func(p *policy.Policy) { p.What = []string{} }), `policy "read": what: the list is empty, so that nothing would match; want at least one entry`},
		"too many":            {auto(func(p *policy.Policy) { p.Who = make([]string, 257) }), `policy "read": who: 257 entries are more than 256`},
		"selector word":       {auto(func(p *policy.Policy) { p.Who = []string{"anyone", "gruop:payments"} }), `policy "read": who.1: selector "gruop:payments": unknown word "gruop"; did you mean "group"?`},
		"selector, anyone":    {auto(func(p *policy.Policy) { p.Who = []string{"anyon"} }), `policy "read": who.0: selector "anyon"; did you mean "anyone"?`},
		"on behalf, owners":   {auto(func(p *policy.Policy) { p.OnBehalfOf = []string{"group:leads", "owner-of-resource"} }), `policy "read": on_behalf_of.1: owner-of-resource says who reviews, or asks for themselves: name those who may ask for others`},
		"on behalf, misspelt": {auto(func(p *policy.Policy) { p.OnBehalfOf = []string{"anyon"} }), `policy "read": on_behalf_of.0: selector "anyon"; did you mean "anyone"?`},
		"deny on behalf":      {with(denyPolicy(), func(p *policy.Policy) { p.OnBehalfOf = []string{"anyone"} }), `policy "freeze": on_behalf_of: a deny policy allows nothing, so that this would have no effect; remove it`},
		"pattern":             {auto(func(p *policy.Policy) { p.What = []string{"wiki/a:b", "orders-db"} }), `policy "read": what.1: pattern "orders-db": want CONNECTOR/RESOURCE:PERMISSION, as in orders-db/**:read, or bundle:NAME, or ** for everything`},

		"deny with limits": {with(denyPolicy(), func(p *policy.Policy) {
			p.Auto, p.MaxDuration, p.Until, p.BreakGlass = true, time.Hour, "now", &policy.BreakGlass{ReportWithin: time.Hour, ReviewBy: []string{"anyone"}}
		}), `policy "freeze": approve: a deny policy allows nothing, so that this would have no effect; remove it
policy "freeze": max_duration: a deny policy allows nothing, so that this would have no effect; remove it
policy "freeze": until: a deny policy allows nothing, so that this would have no effect; remove it
policy "freeze": break_glass: a deny policy allows nothing, so that this would have no effect; remove it`},
		"deny with requirements": {with(denyPolicy(), func(p *policy.Policy) { p.Require.MFA, p.Stages = true, []policy.Stage{leads(1)} }), `policy "freeze": require: a deny policy requires nothing; use when, or effect guard
policy "freeze": approve: a deny policy has no stages; use effect guard to demand reviews`},
		"guard without effect": {with(guardPolicy(), func(p *policy.Policy) { p.Require.Reason = false }), `policy "say-why": require: the guard adds nothing: want require, or stages in approve`},
		"guard with limits":    {with(guardPolicy(), func(p *policy.Policy) { p.MaxDuration = time.Hour }), `policy "say-why": max_duration: a guard policy allows nothing, so that this would have no effect; remove it`},

		"break-glass without report":  {auto(func(p *policy.Policy) { p.BreakGlass = &policy.BreakGlass{ReviewBy: []string{"group:security"}} }), `policy "read": break_glass.report_within: 0s: want a duration from 1s to 8784h`},
		"break-glass without readers": {auto(func(p *policy.Policy) { p.BreakGlass = &policy.BreakGlass{ReportWithin: time.Hour} }), `policy "read": break_glass.review_by: the list is empty, so that nothing would match; want at least one entry`},
		"break-glass alert": {auto(func(p *policy.Policy) {
			p.BreakGlass = &policy.BreakGlass{ReportWithin: time.Hour, ReviewBy: []string{"anyone"}, Alert: []string{"x"}}
		}), `policy "read": break_glass.alert.0: selector "x": want group:NAME, principal:NAME, person:ID, kind:KIND, anyone, owner-of-resource or manager-of-requester`},

		"when: not a bool":          {when(`resource.name`), `policy "read": when: 1:1: the expression is of type string; want bool`},
		"when: syntax":              {when("true &&\n  )"), `policy "read": when: 2:3: Syntax error: mismatched input ')' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`},
		"when: field misspelt":      {when(`resource.lables.env == "prod"`), `policy "read": when: 1:16: undeclared reference to 'resource.lables.env' (did you mean 'resource.labels'?)`},
		"when: no such variable":    {when(`user == "alice"`), `policy "read": when: 1:1: undeclared reference to 'user'`},
		"when: function misspelt":   {when(`oncal("primary").now`), `policy "read": when: 1:6: undeclared reference to 'oncal' (did you mean 'oncall'?)`},
		"when: fact field misspelt": {when(`oncall("primary").nwo`), `policy "read": when: 1:18: undefined field 'nwo'; did you mean "now"?`},
		"when: fact argument":       {when(`oncall(resource.name).now`), `policy "read": when: 1:16: an argument of oncall must be a literal text, as in oncall("name")`},
		"when: fact argument empty": {when(`oncall("").now`), `policy "read": when: 1:8: an argument of oncall: it is empty`},
		"when: fact argument long":  {when(`oncall("` + long[:300] + `").now`), `policy "read": when: 1:8: an argument of oncall: 300 bytes are more than 256`},
		"when: fact arguments":      {when(`ticket(request.ticket).open`), `policy "read": when: 1:7: found no matching overload for 'ticket' applied to '(string)'`},
		"when: duration literal":    {when(`request.duration < duration("4hours")`), `policy "read": when: 1:29: invalid duration argument`},
		"when: timestamp literal":   {when(`now < timestamp("tomorrow")`), `policy "read": when: 1:17: invalid timestamp argument`},
		"when: regular expression":  {when(`request.reason.matches("(")`), `policy "read": when: 1:24: invalid matches argument`},
		"when: huge regex":          {when(`request.reason.matches("(a{30}){30}")`), `policy "read": when: 1:24: regex program size 962 exceeds limit of 500`},
		"when: mixed list":          {when(`request.reason in ["a", 1]`), `policy "read": when: 1:25: expected type 'string' but found 'int'`},
		"when: loop over a map":     {when(`resource.labels.exists(k, k == "env")`), `policy "read": when: 1:9: a loop over map(string, string); only lists have an order. Ask for a key: m[?"key"].orValue("")`},
		"when: loop over anything":  {when(`dyn(resource.labels).exists(k, k == "env")`), `policy "read": when: 1:4: a loop over dyn; only lists have an order. Ask for a key: m[?"key"].orValue("")`},
		"when: nested loops":        {when(`principal.groups.all(a, principal.groups.all(b, a == b))`), `policy "read": when: 1:1: the expression may cost up to 57005002 steps, more than 100000; nest fewer loops over lists`},
		"when: deeply nested loops": {when(`[1].all(a, [2].all(b, [3].all(c, a < b && b < c)))`), `policy "read": when: 1:30: comprehension exceeds nesting limit`},
		"when: too long":            {when(`"` + long + `" == ""`), `policy "read": when: 1:1: expression code point size exceeds limit: size: 5008, limit 4096`},
		"when: not UTF-8":           {when("\"\xff\" == \"\""), `policy "read": when: 1:1: the expression is not valid UTF-8`},
		"until: not a time":         {auto(func(p *policy.Policy) { p.Until = `duration("1h")` }), `policy "read": until: 1:1: the expression is of type duration; want timestamp`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Compile(c.policies)
			if err == nil {
				t.Fatal("compiled")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompileBoundsNesting(t *testing.T) {
	deep := strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100)
	if _, err := policy.Compile(when(deep)); err == nil {
		t.Error("100 parentheses compiled")
	}
	wide := strings.Repeat("true&&", 600) + "true"
	if _, err := policy.Compile(when(wide)); err != nil {
		t.Errorf("a long flat condition: %v", err)
	}
}

func TestCompileBoundsPolicies(t *testing.T) {
	if _, err := policy.Compile(make([]policy.Policy, 10_001)); err == nil || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("10,001 policies: %v", err)
	}
}

func TestCompileReportsEveryMistake(t *testing.T) {
	first, second := autoPolicy(), autoPolicy()
	first.When, second.Name, second.Who = "1 + foo == bar", "second", nil
	_, err := policy.Compile([]policy.Policy{first, second})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%T is not joined", err)
	}
	var got []policy.Error
	for _, e := range joined.Unwrap() {
		var mistake *policy.Error
		if !errors.As(e, &mistake) {
			t.Fatalf("%T is no *policy.Error", e)
		}
		got = append(got, *mistake)
	}
	want := []policy.Error{
		{Policy: 0, Name: "read", Path: []string{"when"}, Line: 1, Column: 5, Msg: "undeclared reference to 'foo'"},
		{Policy: 0, Name: "read", Path: []string{"when"}, Line: 1, Column: 12, Msg: "undeclared reference to 'bar'"},
		{Policy: 1, Name: "second", Path: []string{"who"}, Msg: "the list is empty, so that nothing would match; want at least one entry"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
