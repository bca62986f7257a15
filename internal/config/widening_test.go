package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/policy"
)

// settled is a configuration in force, with two administrators: Ada asks for access herself, and Bo does not.
const settled = `
server: {listen: "127.0.0.1:0", url: "https://curfew.acme.example"}
store: sqlite:./curfew.db
directory:
  static:
    - {id: ada, kind: human, groups: [admins, eng], attributes: {team: a}, token: env:ADA}
    - {id: ada-agent, kind: agent, acts_for: ada, groups: [bots], token: env:AGENT}
    - {id: bo, kind: human, groups: [admins], token: env:BO}
    - {id: cy, kind: human, groups: [eng], token: env:CY}
    - {id: lee, kind: human, groups: [leads]}
  workloads:
    - {name: ci, issuer: "https://ci.acme.example", audience: curfew, claims: {sub: "repo:acme/app"}, principal: robot}
  sessions: {idle: 1h}
roles: {admin: ['group:admins'], auditor: ['person:lee']}
connectors:
  db: {type: standin, dsn: env:DSN, permissions: {read: {roles: [r]}, write: {roles: [w]}}, labels: {env: prod}}
  far: {type: standin, dsn: env:FAR, permissions: {read: {roles: [r]}}}
bundles:
  incident: {entitlements: [db/orders:write]}
  others: {entitlements: [far/orders:read]}
policies:
  - {name: read, who: ['group:eng'], what: ['db/**:read'], max_duration: 4h, approve: auto}
  - {name: write, who: ['group:eng'], what: ['bundle:incident'], max_duration: 1h, approve: [{from: ['group:leads']}]}
  - {name: far, who: ['group:leads'], what: ['far/**:*', 'bundle:others'], max_duration: 1h, approve: auto}
  - {name: bots, who: ['group:bots'], what: ['db/**:read'], max_duration: 1h, approve: auto}
  - {name: calm, effect: guard, who: ['group:eng'], what: ['db/**:write'], require: {reason: true}}
  - {name: never, effect: deny, who: ['group:bots'], what: ['db/**:write']}
`

// robot stands for what settled lacks so that its lines stay short.
var settledText = strings.Replace(settled, "    - {id: lee,", "    - {id: robot, kind: service, person: cy}\n    - {id: lee,", 1)

// change replaces the one place where a text stands.
func change(t *testing.T, text string, changes ...string) *config.Config {
	t.Helper()
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(text, changes[i]) != 1 {
			t.Fatalf("%q does not stand there once", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	return load(t, write(t, text))
}

// whose says whom a configuration widens, and why.
func whose(list []config.Widening) string {
	var all []string
	for _, w := range list {
		all = append(all, w.Principal.Subject+": "+w.Why)
	}
	return strings.Join(all, "; ")
}

func TestWidened(t *testing.T) {
	const both = "both"
	for name, c := range map[string]struct {
		// changes are pairs of what stands there and what stands there then; ada and bo say of whom it is wider, and why.
		changes []string
		ada, bo string
	}{
		"nothing":                       {nil, "", ""},
		"a comment":                     {[]string{"roles: {admin", "# who may what\nroles: {admin"}, "", ""},
		"somebody's name":               {[]string{"{id: ada, kind", "{id: ada, name: Ada, kind"}, "", ""},
		"where it listens":              {[]string{`"127.0.0.1:0"`, `"127.0.0.1:1"`}, "", ""},
		"when sessions end":             {[]string{"idle: 1h", "idle: 2h"}, "", ""},
		"a group for themselves":        {[]string{"groups: [admins], token: env:BO", "groups: [admins, eng], token: env:BO"}, "", `the entry "bo" was changed`},
		"a group for their agent":       {[]string{"groups: [bots]", "groups: [bots, eng]"}, `the entry "ada-agent" was changed`, ""},
		"an attribute":                  {[]string{"{team: a}", "{team: b}"}, `the entry "ada" was changed`, ""},
		"a second account":              {[]string{"    - {id: cy,", "    - {id: ada2, kind: human, person: ada}\n    - {id: cy,"}, `"ada2" is a principal of this person's`, ""},
		"their own token":               {[]string{"env:ADA", "env:ADA2"}, "", `the token of "ada" is new`},
		"the other's token goes":        {[]string{", token: env:BO", ""}, "no other administrator would be left", "no other administrator would be left"},
		"somebody else's token":         {[]string{"env:CY", "env:OTHER"}, `the token of "cy" is new`, `the token of "cy" is new`},
		"a colleague without a token":   {[]string{"    - {id: cy,", "    - {id: dee, kind: human}\n    - {id: cy,"}, "", ""},
		"a colleague with a token":      {[]string{"    - {id: cy,", "    - {id: dee, kind: human, token: env:DEE}\n    - {id: cy,"}, `the token of "dee" is new`, `the token of "dee" is new`},
		"who is gone":                   {[]string{"    - {id: ada, kind: human, groups: [admins, eng], attributes: {team: a}, token: env:ADA}\n    - {id: ada-agent, kind: agent, acts_for: ada, groups: [bots], token: env:AGENT}\n", "    - {id: ada-agent, kind: service, person: cy, groups: [bots]}\n"}, "no other administrator would be left", "no other administrator would be left"},
		"another person of the account": {[]string{"{id: ada, kind: human,", "{id: ada, kind: human, person: eve,"}, both, ""},
		"a reviewer more":               {[]string{"groups: [eng], token: env:CY", "groups: [eng, leads], token: env:CY"}, `"cy" is one of those whom their policies name as group:static/leads`, ""},
		"the role of auditor":           {[]string{"['person:lee']", "['person:lee', 'person:bo']"}, "", "they get the role auditor"},
		"a new administrator":           {[]string{"['group:admins']", "['group:admins', 'group:leads']"}, "", ""},
		"the only administrator":        {[]string{"['group:admins']", "['person:bo']"}, "no other administrator would be left", "no other administrator would be left"},
		"whom a workload is":            {[]string{"repo:acme/app", "repo:acme/other"}, "directory.workloads", "directory.workloads"},
		"a policy for all":              {[]string{"who: ['group:eng'], what: ['db/**:read']", "who: ['group:eng', 'person:bo'], what: ['db/**:read']"}, "", `policy "read", which allows, was changed`},
		"a policy longer":               {[]string{"max_duration: 4h", "max_duration: 5h"}, `policy "read", which allows, was changed`, ""},
		"a policy shorter":              {[]string{"max_duration: 4h", "max_duration: 3h"}, "", ""},
		"a policy's name":               {[]string{"name: read", "name: reading"}, "", ""},
		"a policy less":                 {[]string{"  - {name: read, who: ['group:eng'], what: ['db/**:read'], max_duration: 4h, approve: auto}\n", ""}, "", ""},
		"a guard less":                  {[]string{"  - {name: calm, effect: guard, who: ['group:eng'], what: ['db/**:write'], require: {reason: true}}\n", ""}, `policy "calm", which has the effect guard`, ""},
		"a denial for their agent less": {[]string{"  - {name: never, effect: deny, who: ['group:bots'], what: ['db/**:write']}\n", ""}, `policy "never", which has the effect deny`, ""},
		"no review":                     {[]string{"[{from: ['group:leads']}]", "auto"}, `policy "write", which allows, was changed`, ""},
		"more in a bundle":              {[]string{"[db/orders:write]", "[db/orders:write, db/orders:read]"}, `bundles: "incident" was added or changed`, ""},
		"more in a bundle of others":    {[]string{"[far/orders:read]", "[far/orders:read, far/items:read]"}, "", ""},
		"a connector":                   {[]string{"env:DSN", "env:DSN2"}, `connectors: "db" was added or changed`, ""},
		"the labels of a connector":     {[]string{"{env: prod}", "{env: test}"}, `connectors: "db" was added or changed`, ""},
		"the pace of a connector":       {[]string{"{type: standin, dsn: env:DSN,", "{type: standin, timeout: 9s, concurrency: 2, rate: 3, reconcile: 1h, dsn: env:DSN,"}, "", ""},
		"a connector of others":         {[]string{"env:FAR", "env:FARTHER"}, "", ""},
		"a provider":                    {[]string{"  sessions:", "  oidc: {issuer: 'https://login.acme.example', client_id: curfew}\n  sessions:"}, "directory.oidc", "directory.oidc"},
	} {
		t.Run(name, func(t *testing.T) {
			got := config.Widened(load(t, write(t, settledText)), change(t, settledText, c.changes...), nil)
			for subject, want := range map[string]string{"ada": c.ada, "bo": c.bo} {
				i := slices.IndexFunc(got, func(w config.Widening) bool { return w.Principal.Subject == subject })
				if want == both {
					continue // it is of two persons
				}
				if (i >= 0) != (want != "") || i >= 0 && !strings.Contains(got[i].Why, want) {
					t.Errorf("of %s: %s, want %q", subject, whose(got), want)
				}
			}
			if (c.ada == both) != (whose(got) != "" && c.ada == both) {
				t.Errorf("nobody: %s", whose(got))
			}
		})
	}
}

// Nobody comes by more in two steps of which neither waits for somebody else: by stepping down as an administrator first, or by
// leaving nobody behind who would be asked.
func TestWidenedInTwoSteps(t *testing.T) {
	eve := access.Principal{ID: access.PrincipalID{Issuer: "okta", Subject: "eve"}, Kind: access.Human, Person: "pe_1", Groups: []string{"okta/ops"}}
	okta := strings.Replace(settledText, "  sessions:", "  scim: {name: okta, token: env:SCIM}\n  sessions:", 1)
	three := strings.Replace(okta, "['group:admins']", "['group:admins', 'group:okta/ops']", 1)
	const ada = "    - {id: ada, kind: human, groups: [admins, eng], attributes: {team: a}, token: env:ADA}\n    - {id: ada-agent, kind: agent, acts_for: ada, groups: [bots], token: env:AGENT}\n"
	agentless := strings.NewReplacer("    - {id: ada-agent, kind: agent, acts_for: ada, groups: [bots], token: env:AGENT}\n", "",
		"  - {name: bots, who: ['group:bots'], what: ['db/**:read'], max_duration: 1h, approve: auto}\n", "",
		"  - {name: never, effect: deny, who: ['group:bots'], what: ['db/**:write']}\n", "").Replace(okta)
	const gone = "roles: no other administrator would be left"
	for name, c := range map[string]struct {
		now, next string
		want      string
	}{
		"who steps down":                      {three, strings.Replace(three, "'group:admins'", "'person:bo'", 1), "ada: roles: they lose the role admin, and nobody would be asked about what they are given later"},
		"who steps down in a source":          {three, okta, "eve: roles: they lose the role admin, and nobody would be asked about what they are given later"},
		"who leaves one behind":               {agentless, strings.Replace(agentless, strings.SplitAfter(ada, "\n")[0], "", 1), "ada: " + gone + "; bo: " + gone},
		"all, for a group in which nobody is": {okta, strings.Replace(okta, "'group:admins'", "'group:okta/nobody'", 1), "ada: " + gone + "; bo: " + gone},
	} {
		if got := whose(config.Widened(load(t, write(t, c.now)), load(t, write(t, c.next)), []access.Principal{eve})); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Nobody of a source that is no more is there to disagree, whatever the books remember of them.
func TestLastOtherOfASourceThatIsNoMore(t *testing.T) {
	lee := access.Principal{ID: access.PrincipalID{Issuer: "okta", Subject: "lee"}, Kind: access.Human, Person: "lee"}
	without := strings.NewReplacer("['group:admins']", "['person:bo', 'person:cy', 'person:lee']").Replace(settledText)
	with := strings.Replace(without, "  sessions:", "  scim: {name: okta, token: env:SCIM}\n  sessions:", 1)
	const gone = "roles: no other administrator would be left"
	for name, c := range map[string]struct{ now, want string }{
		"with the source":    {with, ""},
		"without the source": {without, "bo: " + gone + "; cy: " + gone + "; lee: " + gone},
	} {
		next := strings.Replace(c.now, "groups: [eng], token: env:CY", "groups: [eng]", 1)
		if got := whose(config.Widened(load(t, write(t, c.now)), load(t, write(t, next)), []access.Principal{lee})); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A secret that is in use is shown nowhere else without another's word: whoever answers there would have it.
func TestSecretsGoNowhereElse(t *testing.T) {
	const all = "ada: %s; bo: %[1]s"
	witnessed := strings.Replace(settledText, "{id: lee, kind: human, groups: [leads]}", "{id: lee, kind: human, groups: [leads], token: file:/etc/curfew/lee}", 1)
	witnessed = strings.Replace(witnessed, "connectors:\n", "audit: {witnesses: [{name: nas, file: /mnt/nas/checkpoints}, {name: notary, webhook: 'https://notary.example/', token: env:NOTARY}]}\nconnectors:\n", 1)
	const witness = `audit.witnesses: "notary" is shown a secret that it was not shown before`
	const connector = `connectors: "far" shows a secret that is in use (%s) where it was not shown before`
	for name, c := range map[string]struct{ before, after, want string }{
		"a colleague's token, to a witness": {"token: env:NOTARY", "token: env:CY", witness},
		"a witness elsewhere":               {"notary.example/", "elsewhere.example/", witness},
		"a witness by another name":         {"name: notary", "name: records", ""},
		"a witness less":                    {", {name: notary, webhook: 'https://notary.example/', token: env:NOTARY}", "", ""},
		"a witness that is a file":          {"/mnt/nas/checkpoints", "/mnt/nas/checkpoints2", ""},
		"a colleague's token, to a target":  {"env:FAR", "env:CY", fmt.Sprintf(connector, "env:CY")},
		"another target's password":         {"env:FAR", "env:DSN", fmt.Sprintf(connector, "env:DSN")},
		"a target elsewhere":                {"dsn: env:FAR,", "dsn: env:FAR, port: 99,", fmt.Sprintf(connector, "env:FAR")},
		"a colleague's file, to a target":   {"env:FAR", "file:/etc/curfew/./lee", fmt.Sprintf(connector, "file:/etc/curfew/lee")},
		"the same, read for every call":     {"dsn: env:FAR,", "dsn: env:FARTHER, token_file: /etc/curfew/lee,", fmt.Sprintf(connector, "file:/etc/curfew/lee")},
		"a new password":                    {"env:FAR", "env:FARTHER", ""},
		"what can be asked for":             {"dsn: env:FAR, permissions: {read: {roles: [r]}}", "dsn: env:FAR, permissions: {read: {roles: [q]}}", ""},
	} {
		want := c.want
		if want != "" {
			want = fmt.Sprintf(all, want)
		}
		if got := whose(config.Widened(load(t, write(t, witnessed)), change(t, witnessed, c.before, c.after), nil)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What somebody is called counts where a policy, or a rule for accounts, goes by it.
func TestNamesThatCount(t *testing.T) {
	const name, named = "{id: ada, kind", "{id: ada, name: Ada, kind"
	for what, change := range map[string][2]string{
		"a condition": {"what: ['db/**:read'], max_duration: 4h", `what: ['db/**:read'], when: 'principal.name == "Ada"', max_duration: 4h`},
		"an end":      {"what: ['db/**:read'], max_duration: 4h", `what: ['db/**:read'], until: 'principal.name == "Ada" ? now + duration("1h") : now', max_duration: 4h`},
		"an account":  {"db: {type: standin,", "db: {type: standin-accounts, account: 'principal.name',"},
	} {
		now := strings.Replace(settledText, change[0], change[1], 1)
		next := strings.Replace(now, name, named, 1)
		if got := whose(config.Widened(load(t, write(t, now)), load(t, write(t, next)), nil)); got != `ada: directory.static: the entry "ada" was changed` {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// Who is told of by a source administers and is widened as well.
func TestWidenedOfSources(t *testing.T) {
	eve := access.Principal{ID: access.PrincipalID{Issuer: "okta", Subject: "eve"}, Kind: access.Human, Person: "pe_1", Groups: []string{"okta/ops"}}
	okta := strings.Replace(settledText, "  sessions:", "  scim: {name: okta, token: env:SCIM}\n  sessions:", 1)
	now := change(t, okta, "['group:admins']", "['group:admins', 'group:okta/ops']")
	next := change(t, okta, "['group:admins']", "['group:admins', 'group:okta/ops']", "who: ['group:eng'], what: ['db/**:read']", "who: ['anyone'], what: ['db/**:read']")
	if got := whose(config.Widened(now, next, []access.Principal{eve})); !strings.Contains(got, "eve: policies") || !strings.Contains(got, "bo: policies") {
		t.Error(got)
	}
	gained := config.Widened(load(t, write(t, okta)), now, []access.Principal{eve})
	if got := whose(gained); got != "eve: roles: they get the role admin" {
		t.Error(got)
	}
}

// drawSettled draws a small configuration.
func drawSettled(t *rapid.T) string {
	list := func(from ...string) string {
		return strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 2, rapid.ID).Draw(t, "list"), ", ")
	}
	var b strings.Builder
	b.WriteString("store: sqlite:./curfew.db\ndirectory:\n  static:\n")
	for _, id := range []string{"ada", "bo", "cy"} {
		fmt.Fprintf(&b, "    - {id: %s, kind: human, groups: [%s], token: env:%s}\n", id, list("admins", "eng", "leads"), strings.ToUpper(id))
	}
	if rapid.Bool().Draw(t, "an agent") {
		fmt.Fprintf(&b, "    - {id: bot, kind: agent, acts_for: ada, groups: [%s]}\n", list("eng", "leads"))
	}
	b.WriteString("    - {id: zoe, kind: human, groups: [admins, eng, leads]}\nroles: {admin: ['group:admins']}\nconnectors:\n")
	fmt.Fprintf(&b, "  db: {type: standin, dsn: env:DSN, permissions: {read: {roles: [r]}, write: {roles: [w]}}, labels: {env: %s}, owners: ['person:%s']}\n",
		rapid.SampledFrom([]string{"prod", "test"}).Draw(t, "env"), rapid.SampledFrom([]string{"ada", "bo"}).Draw(t, "owner"))
	fmt.Fprintf(&b, "bundles:\n  both: {entitlements: [%s]}\npolicies:\n", list("db/a:read", "db/a:write", "db/b:read"))
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		who := list("'group:eng'", "'group:leads'", "'person:ada'", "anyone", "owner-of-resource")
		what := list("'db/**:read'", "'db/a:*'", "'bundle:both'", "'**'")
		fmt.Fprintf(&b, "  - {name: p%d, who: [%s], what: [%s], max_duration: %s, %s", i, who, what,
			rapid.SampledFrom([]string{"1h", "2h"}).Draw(t, "max"),
			rapid.SampledFrom([]string{"approve: auto}\n", "approve: [{from: ['group:leads']}]}\n", "approve: [{from: [owner-of-resource]}]}\n", "require: {reason: true}, approve: auto}\n"}).Draw(t, "approve"))
	}
	fmt.Fprintf(&b, "  - {name: no, effect: deny, who: [%s], what: ['db/**:write'], when: 'resource.labels.env == \"prod\"'}\n", list("'group:eng'", "'group:leads'", "anyone"))
	return b.String()
}

// asked is a decision on what a principal asks for, with what the configuration says of everybody.
func asked(t *rapid.T, c *config.Config, who access.PrincipalID, e access.Entitlement, bundle string, d time.Duration) policy.Decision {
	find := func(id access.PrincipalID) (p access.Principal) {
		for _, one := range c.Principals {
			if one.ID == id {
				p = one.Principal
			}
		}
		return p
	}
	members := func(selectors []string) map[string][]policy.Reviewer {
		all := map[string][]policy.Reviewer{}
		for _, s := range selectors {
			for _, p := range c.Principals {
				if policy.Selector(s).Matches(p.Principal) {
					all[s] = append(all[s], policy.Reviewer{ID: p.ID, Kind: p.Kind, Person: p.Person})
				}
			}
		}
		return all
	}
	in := policy.Input{
		Now: time.Unix(1_700_000_000, 0), Principal: find(who), Duration: d, Reason: "order 17",
		Targets: []policy.Target{{Entitlement: e, Bundle: bundle, Labels: c.Connectors[0].Labels, Owners: c.Connectors[0].Owners.All}},
	}
	in.Reviewers = members([]string{"group:static/leads", "person:ada", "person:bo"})
	if in.Principal.ActsFor != (access.PrincipalID{}) {
		in.Human = &policy.Human{Principal: find(in.Principal.ActsFor), Reviewers: in.Reviewers}
	}
	return c.PolicySet.Decide(in)
}

// Whoever is not said to be widened gets no more than before, of anything, for any time.
func TestNotWidenedGetNoMore(t *testing.T) {
	tried := 0
	rapid.Check(t, func(rt *rapid.T) {
		read := func(text string) *config.Config {
			c, err := config.Load(write(t, text), options())
			if err != nil {
				rt.Skip(err)
			}
			return c
		}
		text := drawSettled(rt)
		lines, others := strings.SplitAfter(text, "\n"), strings.SplitAfter(drawSettled(rt), "\n")
		for range rapid.IntRange(1, 2).Draw(rt, "changes") {
			i := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
			lines[i] = others[min(i, len(others)-1)]
		}
		now, next := read(text), read(strings.Join(lines, ""))
		widened := config.Widened(now, next, nil)
		for _, admin := range now.Administrators(nil) {
			if slices.ContainsFunc(widened, func(w config.Widening) bool { return w.Person == admin.Person }) {
				continue
			}
			for _, p := range next.Principals {
				if p.Person != admin.Person {
					continue
				}
				tried++
				getsNoMore(rt, now, next, p.Principal)
			}
		}
	})
	if tried == 0 {
		t.Error("everybody is widened by everything, so that nothing was tried")
	}
}

// getsNoMore holds what somebody may do after a change against what they could do before. An agent that a policy allows nothing any more
// goes by the others of its human, and may need fewer to agree than before, but never fewer than its human needed.
func getsNoMore(t *rapid.T, now, next *config.Config, p access.Principal) {
	who, human := p.ID, p.ID
	if p.Kind == access.Agent {
		human = p.ActsFor
	}
	for _, name := range []string{"db/a:read", "db/a:write", "db/b:read", "db/b:write"} {
		e, err := access.ParseEntitlement(name)
		if err != nil {
			t.Fatal(err)
		}
		bundles := []string{""}
		if slices.Contains(next.Bundles["both"].Entitlements, e) {
			bundles = append(bundles, "both")
		}
		for _, bundle := range bundles {
			for _, d := range []time.Duration{time.Hour, 2 * time.Hour} {
				before, after := asked(t, now, who, e, bundle, d), asked(t, next, who, e, bundle, d)
				rank := map[policy.Verdict]int{policy.VerdictReview: 1, policy.VerdictAuto: 2}
				needed := min(len(before.Stages), len(asked(t, now, human, e, bundle, d).Stages))
				if rank[after.Verdict] > rank[before.Verdict] || after.Verdict == policy.VerdictReview && len(after.Stages) < needed {
					t.Fatalf("%s asks for %s (bundle %q) for %s: %s became %s", who, name, bundle, d, before.Verdict, after.Verdict)
				}
			}
		}
	}
}
