package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

func forgotten() Forgotten {
	return Forgotten{Person: "carol", Principals: []access.PrincipalID{{Issuer: access.StaticIssuer, Subject: "carol.c"}}, As: "erased-1"}
}

func marshalled(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func oneThing() access.Entitlement {
	return access.Entitlement{Connector: "c", Resource: "r", Permission: "p"}
}

func carolsInput() Input {
	return Input{
		Now: time.Unix(1, 0).UTC(), Duration: time.Hour, Reason: "the flood", Ticket: "T-1", Params: map[string]string{"k": "carol"},
		Principal: access.Principal{
			ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "carol.c"}, Kind: access.Human, Person: "carol", Name: "Carol C.",
			Groups: []string{"static/x"}, Attributes: map[string]string{"mail": "c@example"},
		},
		Targets: []Target{{
			Entitlement: oneThing(), Owners: []string{"person:carol"}, Account: "carol_db",
		}},
		Facts: map[string]Fact{"f()": {Value: json.RawMessage(`"carol"`)}},
	}
}

func TestForgottenInputOfTheirs(t *testing.T) {
	left, changed, err := forgotten().Input(marshalled(t, carolsInput()))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	for _, word := range []string{"carol", "Carol", "flood", "T-1", "c@example", "static/x"} {
		if strings.Contains(string(left), word) {
			t.Errorf("%q is left in %s", word, left)
		}
	}
	var in Input
	if err := json.Unmarshal(left, &in); err != nil {
		t.Fatal(err)
	}
	set, err := Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := set.Decide(in); d.Verdict != VerdictDenied || !strings.Contains(d.Why, "forgotten") {
		t.Errorf("decided again it is %s: %s", d.Verdict, d.Why)
	}
}

func TestForgottenInAnothersInput(t *testing.T) {
	in := carolsInput()
	in.Principal = access.Principal{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "carola"}, Kind: access.Human, Person: "carola"}
	in.Params, in.Facts, in.Targets[0].Account = nil, nil, ""
	in.Principal.Manager = access.PrincipalID{Issuer: access.StaticIssuer, Subject: "carol.c"}
	in.Targets[0].Owners = []string{"person:carola", "principal:static/carol.c"}
	in.Reviewers = map[string][]Reviewer{
		"person:carol": {{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "carol.c"}, Person: "carol"}},
		"group:leads":  {{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "bob"}, Person: "bob"}},
	}
	left, changed, err := forgotten().Input(marshalled(t, in))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	in.Targets[0].Owners[1] = "person:erased-1"
	in.Principal.Manager = access.PrincipalID{Issuer: access.ErasedIssuer, Subject: "erased-1"}
	in.Reviewers["person:erased-1"] = []Reviewer{{ID: access.PrincipalID{Issuer: access.ErasedIssuer, Subject: "erased-1"}, Person: "erased-1"}}
	delete(in.Reviewers, "person:carol")
	if want := string(marshalled(t, in)); string(left) != want {
		t.Errorf("left is\n%s; want\n%s", left, want)
	}
}

// An agent's input names its human once more, with what the directory had of them.
func TestForgottenHumanOfAnAgent(t *testing.T) {
	agents := func(person access.PersonID) Input {
		in := carolsInput()
		human := in.Principal
		in.Principal = access.Principal{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "bot"}, Kind: access.Agent, Person: person, ActsFor: human.ID}
		in.Human = &Human{Principal: human, Facts: map[string]Fact{"f()": {Value: json.RawMessage(`"carol"`)}}}
		in.Reason, in.Ticket, in.Params, in.Facts = "", "", nil, nil
		in.Targets[0].Owners, in.Targets[0].Account = nil, ""
		return in
	}
	for name, in := range map[string]Input{"theirs": agents("carol"), "another person's": agents("carola")} {
		left, changed, err := forgotten().Input(marshalled(t, in))
		if err != nil || !changed || strings.Contains(strings.ReplaceAll(string(left), "carola", ""), "carol") || strings.Contains(string(left), "Carol") {
			t.Errorf("%s: %t, %v, %s", name, changed, err, left)
		}
		var read Input
		if err := json.Unmarshal(left, &read); err != nil || !read.Erased {
			t.Errorf("%s: %v, it can be decided again: %s", name, err, left)
		}
	}
	in := agents("bob")
	in.Principal.ActsFor = access.PrincipalID{Issuer: access.StaticIssuer, Subject: "bob"}
	reviewers := map[string][]Reviewer{"group:leads": {{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "carol.c"}, Person: "carol"}}}
	in.Human = &Human{Principal: access.Principal{ID: in.Principal.ActsFor, Kind: access.Human, Person: "bob"}, Reviewers: reviewers}
	left, changed, err := forgotten().Input(marshalled(t, in))
	if err != nil || !changed || strings.Contains(string(left), "carol") || !strings.Contains(string(left), "erased-1") || strings.Contains(string(left), `"erased":true`) {
		t.Errorf("as one who could have reviewed for the human: %t, %v, %s", changed, err, left)
	}
}

func TestForgottenInDecisions(t *testing.T) {
	d := Decision{
		Verdict: VerdictReview, Why: `Needs the approval of 1 person of person:carol or person:carola, for 1h, by policy "x".`,
		Targets: []TargetDecision{{Entitlement: oneThing(), Verdict: VerdictReview, Why: "Needs principal:carol.c.", Duration: time.Hour, Trace: []Considered{{Detail: "person:carol"}}, HumanTrace: []Considered{{Detail: "person:carol"}}}},
		Stages:  []OpenStage{{From: []string{"person:carol", "person:carola"}, Count: 1, Fallback: &Fallback{From: []string{"principal:static/carol.c"}}}},
	}
	text := marshalled(t, d)
	left, changed, err := forgotten().Decision(text, false)
	want := d
	want.Why = `Needs the approval of 1 person of person:erased-1 or person:carola, for 1h, by policy "x".`
	want.Targets = []TargetDecision{{Entitlement: oneThing(), Verdict: VerdictReview, Why: "Needs person:erased-1.", Duration: time.Hour, Trace: []Considered{{Detail: "person:erased-1"}}, HumanTrace: []Considered{{Detail: "person:erased-1"}}}}
	want.Stages = []OpenStage{{From: []string{"person:erased-1", "person:carola"}, Count: 1, Fallback: &Fallback{From: []string{"person:erased-1"}}}}
	if wanted := string(marshalled(t, want)); err != nil || !changed || string(left) != wanted {
		t.Errorf("%t, %v, left is\n%s; want\n%s", changed, err, left, wanted)
	}
	own, _, err := forgotten().Decision(text, true)
	if err != nil || strings.Contains(string(own), "approval") || !strings.Contains(string(own), `"verdict":"review"`) {
		t.Errorf("%v, of a decision on theirs there is left %s", err, own)
	}
}

func TestForgottenWhoAsked(t *testing.T) {
	in := carolsInput()
	in.AskedBy = in.Principal
	in.Principal = access.Principal{ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"}, Kind: access.Human, Person: "alice"}
	in.Facts, in.Targets = nil, nil
	left, changed, err := forgotten().Input(marshalled(t, in))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	in.AskedBy = access.Principal{ID: access.PrincipalID{Issuer: access.ErasedIssuer, Subject: "erased-1"}, Kind: access.Human, Person: "erased-1"}
	in.Reason, in.Ticket, in.Params = "", "", nil
	if want := string(marshalled(t, in)); string(left) != want {
		t.Errorf("left is\n%s; want\n%s", left, want)
	}
}

// What does not name the person is left byte by byte, whatever its form.
func TestForgottenLeavesOthers(t *testing.T) {
	text := []byte(`{ "verdict": "auto", "unknown": 1, "why": "carola" }`)
	for name, forget := range map[string]func() ([]byte, bool, error){
		"an input":   func() ([]byte, bool, error) { return forgotten().Input(text) },
		"a decision": func() ([]byte, bool, error) { return forgotten().Decision(text, false) },
	} {
		if left, changed, err := forget(); changed || err != nil || string(left) != string(text) {
			t.Errorf("%s: %t, %v, %s", name, changed, err, left)
		}
	}
}
