package policy_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

func TestDigestIsOfTheMeaning(t *testing.T) {
	digest := func(change func(*policy.Policy)) string {
		p := reviewedPolicy(leads(1))
		p.Who = []string{"group:payments", "kind:human"}
		change(&p)
		return compile(t, []policy.Policy{p}).Digest()
	}
	want := digest(func(*policy.Policy) {})
	for name, change := range map[string]func(*policy.Policy){
		"order of who":     func(p *policy.Policy) { p.Who = []string{"kind:human", "group:payments"} },
		"said twice":       func(p *policy.Policy) { p.Who = append(p.Who, "kind:human") },
		"static in full":   func(p *policy.Policy) { p.Who[0] = "group:static/payments" },
		"default in full":  func(p *policy.Policy) { p.Stages[0].Within = policy.DefaultWithin },
		"empty instead of": func(p *policy.Policy) { p.When = "" },
	} {
		if got := digest(change); got != want {
			t.Errorf("%s makes another digest", name)
		}
	}
	for name, change := range map[string]func(*policy.Policy){
		"name":    func(p *policy.Policy) { p.Name = "other" },
		"who":     func(p *policy.Policy) { p.Who = p.Who[:1] },
		"what":    func(p *policy.Policy) { p.What = []string{"**"} },
		"when":    func(p *policy.Policy) { p.When = "true" },
		"until":   func(p *policy.Policy) { p.Until = "now" },
		"maximum": func(p *policy.Policy) { p.MaxDuration += 1e9 },
		"require": func(p *policy.Policy) { p.Require.MFA = true },
		"count":   func(p *policy.Policy) { p.Stages[0].Count = 2 },
		"mfa":     func(p *policy.Policy) { p.Stages[0].MFA = true },
		"within":  func(p *policy.Policy) { p.Stages[0].Within = 1e9 },
		"from":    func(p *policy.Policy) { p.Stages[0].From = []string{"group:security"} },
		"break-glass": func(p *policy.Policy) {
			p.BreakGlass = &policy.BreakGlass{ReportWithin: 1e9, ReviewBy: []string{"anyone"}}
		},
	} {
		if digest(change) == want {
			t.Errorf("another %s makes the same digest", name)
		}
	}
}

func TestSource(t *testing.T) {
	set := compile(t, []policy.Policy{autoPolicy()})
	const want = `{"policies":[{"auto":true,"effect":"allow","max_duration":14400000000000,"name":"read","what":["orders-db/**:*"],"who":["group:static/payments"]}],"version":1}`
	if got := string(set.Source()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	set.Source()[0] = 'x'
	if string(set.Source()) != want {
		t.Error("the source can be changed from outside")
	}
}

func TestLoadRefuses(t *testing.T) {
	good := string(compile(t, []policy.Policy{autoPolicy()}).Source())
	for name, c := range map[string]struct{ text, want string }{
		"nothing":       {"", "not the source of a policy set"},
		"more":          {good + "{}", "the text goes on"},
		"other version": {strings.Replace(good, `"version":1`, `"version":2`, 1), "has version 2; this program reads version 1"},
		"unknown field": {strings.Replace(good, `"auto"`, `"autö"`, 1), "unknown field"},
		"bad policy":    {strings.Replace(good, "14400000000000", "0", 1), "max_duration: 0s"},
		"too much":      {good + strings.Repeat(" ", 64<<20), "is longer than"},
	} {
		if _, err := policy.Load([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
	}
}

func TestNeeds(t *testing.T) {
	onCall := autoPolicy()
	onCall.Name, onCall.When, onCall.Until = "on-call", `oncall("primary").now || oncall("secondary").now`, `oncall("primary").until`
	reviewed := reviewedPolicy(leads(1), policy.Stage{From: []string{"owner-of-resource", "group:security"}, Count: 1})
	elsewhere := reviewedPolicy(policy.Stage{From: []string{"group:elsewhere"}, Count: 1})
	elsewhere.Name, elsewhere.What, elsewhere.When = "elsewhere", []string{"billing-db/**:*"}, "ticket().open"
	others := reviewedPolicy(policy.Stage{From: []string{"group:others"}, Count: 1})
	others.Name, others.Who = "others", []string{"group:hr"}
	emergency := autoPolicy()
	emergency.Name, emergency.When = "emergency", `oncall("emergency").now`
	emergency.BreakGlass = &policy.BreakGlass{ReportWithin: 1e9, ReviewBy: []string{"group:security"}}
	guard := guardPolicy()
	guard.Stages = []policy.Stage{{From: []string{"group:guards"}, Count: 1}}
	set := compile(t, []policy.Policy{onCall, reviewed, elsewhere, others, emergency, guard})

	in := usualInput()
	in.Reviewers = nil
	in.Targets[0].Owners = []string{"group:leads", "person:bob"}
	call := func(schedule string) policy.FactCall {
		return policy.FactCall{Key: `oncall("` + schedule + `")`, Function: "oncall", Args: []string{schedule}}
	}
	want := policy.Needs{
		Facts:     []policy.FactCall{call("primary"), call("secondary")},
		Reviewers: []string{"group:static/guards", "group:static/leads", "group:static/security", "person:bob"},
	}
	if diff := cmp.Diff(want, set.Needs(in)); diff != "" {
		t.Error(diff)
	}
	in.BreakGlass = true
	want = policy.Needs{Facts: []policy.FactCall{call("emergency")}, Reviewers: []string{"group:static/guards"}}
	if diff := cmp.Diff(want, set.Needs(in)); diff != "" {
		t.Error(diff)
	}
	in.Targets[0].Owners = []string{"nonsense"}
	if diff := cmp.Diff(policy.Needs{}, set.Needs(in)); diff != "" {
		t.Error(diff)
	}
}

func TestFactUses(t *testing.T) {
	p := autoPolicy()
	p.When, p.Until = "true &&\n  ticket().open", `oncall("primary").until`
	got := compile(t, []policy.Policy{denyPolicy(), p}).FactUses()
	want := []policy.FactUse{
		{Policy: 1, Name: "read", Field: "when", Line: 2, Column: 9, Call: policy.FactCall{Key: "ticket()", Function: "ticket"}},
		{Policy: 1, Name: "read", Field: "until", Line: 1, Column: 7, Call: policy.FactCall{Key: `oncall("primary")`, Function: "oncall", Args: []string{"primary"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInputThatCannotBeTrustedIsDenied(t *testing.T) {
	everybody := autoPolicy()
	everybody.Who, everybody.What, everybody.MaxDuration = []string{"anyone"}, []string{"**"}, access.MaxDuration
	set := compile(t, []policy.Policy{everybody})
	for name, change := range map[string]func(*policy.Input){
		"no time":         func(in *policy.Input) { in.Now = time.Time{} },
		"no requester":    func(in *policy.Input) { in.Principal.ID = access.PrincipalID{} },
		"no kind":         func(in *policy.Input) { in.Principal.Kind = "" },
		"unknown kind":    func(in *policy.Input) { in.Principal.Kind = "robot" },
		"no targets":      func(in *policy.Input) { in.Targets = nil },
		"51 targets":      func(in *policy.Input) { in.Targets = make([]policy.Target, 51) },
		"no entitlement":  func(in *policy.Input) { in.Targets[0].Entitlement = access.Entitlement{} },
		"bad entitlement": func(in *policy.Input) { in.Targets[0].Entitlement.Resource = "a\nb" },
		"a tenth second":  func(in *policy.Input) { in.Duration = 1e8 },
		"too long":        func(in *policy.Input) { in.Duration = access.MaxDuration + 1 },
		"anyone owns it":  func(in *policy.Input) { in.Targets[0].Owners = []string{"anyone"} },
	} {
		in := usualInput()
		change(&in)
		d := set.Decide(in)
		if d.Verdict != policy.VerdictDenied || d.Why == "" || len(d.Targets) != len(in.Targets) {
			t.Errorf("%s: %s of %d targets: %s", name, d.Verdict, len(d.Targets), d.Why)
		}
	}
}

func TestSetIsSafeForConcurrentUse(t *testing.T) {
	p := autoPolicy()
	p.When = `resource.labels[?"env"].orValue("") == "" && principal.groups.exists(g, g == "static/payments")`
	set := compile(t, []policy.Policy{p, reviewedPolicy(leads(1)), guardPolicy()})
	in := usualInput()
	want := set.Explain(in)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if diff := cmp.Diff(want, set.Explain(in)); diff != "" {
					t.Error(diff)
				}
				set.Needs(in)
			}
		})
	}
	wg.Wait()
}

// FuzzCompile checks that no expression brings the compiler down, and that what compiles is evaluated in the end and
// decided the same twice.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		`true`, `resource.labels[?"env"].orValue("") == "prod"`, `oncall("primary").now`, `principal.groups.exists(g, g.startsWith("a"))`,
		`request.reason.matches("^[A-Z]+-[0-9]+$")`, `now.getHours() < 6`, `"%s".format([request.params]) != ""`, `[1, 2].all(x, x > 0)`,
		`request.reason.replace("a", "aaaaaaaa").split("").size() > 3`, `1 / 0 == 1`, `fact.oncall{now: true}.now`, `dyn(1) == 1`,
		`optional.of(1).optMap(x, x + 1).hasValue()`, `ticket().labels["a"] == "b"`, "((((((", `"\u202e" == ""`, `type(now) == type(1)`,
		`resource.labels.map(k, k)[0] == "env"`, `string(request.duration) == "3600s"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := autoPolicy()
		p.When = text
		set, err := policy.Compile([]policy.Policy{p})
		if err != nil {
			return
		}
		in := usualInput()
		in.Targets[0].Labels = map[string]string{"env": "prod", "team": "payments", "tier": "1"}
		in.Params = map[string]string{"a": "b", "c": "d"}
		if diff := cmp.Diff(set.Decide(in), set.Decide(in)); diff != "" {
			t.Error(diff)
		}
	})
}
