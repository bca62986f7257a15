package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// person is a human in groups of the static source, whose person has the same name.
func person(name string, groups ...string) access.Principal {
	return access.Principal{ID: staticID(name), Kind: access.Human, Person: access.PersonID(name), Groups: groups}
}

func review(by access.Principal, v access.Verdict, limit time.Duration) policy.Reviewed {
	return policy.Reviewed{
		Review:   access.Review{Reviewer: by.ID, Person: by.Person, Verdict: v, Cap: limit},
		Reviewer: by,
	}
}

func approval(by access.Principal) policy.Reviewed { return review(by, access.Approve, 0) }

func openStage(name string, index, count int, from ...string) policy.OpenStage {
	return policy.OpenStage{Policy: name, Index: index, Count: count, From: from, Within: time.Hour}
}

func toReview(stages ...policy.OpenStage) policy.Decision {
	return policy.Decision{Verdict: policy.VerdictReview, Stages: stages}
}

func TestTally(t *testing.T) {
	bob, carol, dave := person("bob", "static/leads"), person("carol", "static/leads", "static/security"), person("dave", "static/security")
	const leads, security = "group:static/leads", "group:static/security"
	one := openStage("p", 0, 1, leads)
	two := openStage("p", 0, 2, leads)
	second := openStage("p", 1, 1, security)
	guard := openStage("guard", 0, 1, security)
	robot := person("robot", "static/leads")
	robot.Kind = access.Agent
	otherBob := person("bob", "static/leads")
	otherBob.ID.Issuer = "okta"
	otherAlice := person("alice", "static/leads")
	otherAlice.ID.Issuer = "okta"
	nobody := person("nobody", "static/leads")
	nobody.Person = ""
	moved := approval(person("bob", "static/leads"))
	moved.Review.Person = "alice"
	borrowed := approval(bob)
	borrowed.Review.Reviewer = staticID("dave")
	waiting := func(stages ...policy.OpenStage) policy.Progress { return policy.Progress{Open: stages} }
	approved := policy.Progress{Approved: true}

	for name, c := range map[string]struct {
		decision policy.Decision
		reviews  []policy.Reviewed
		want     policy.Progress
	}{
		"nothing yet":                   {toReview(one), nil, waiting(one)},
		"approved":                      {toReview(one), []policy.Reviewed{approval(bob)}, approved},
		"denied":                        {toReview(one), []policy.Reviewed{review(bob, access.Deny, 0)}, policy.Progress{Denied: true}},
		"denied after an approval":      {toReview(two), []policy.Reviewed{approval(bob), review(carol, access.Deny, 0)}, policy.Progress{Denied: true}},
		"denied by one who approved":    {toReview(two), []policy.Reviewed{approval(bob), review(bob, access.Deny, 0)}, policy.Progress{Denied: true}},
		"denial by an outsider":         {toReview(one), []policy.Reviewed{review(dave, access.Deny, 0)}, waiting(one)},
		"outsider":                      {toReview(one), []policy.Reviewed{approval(dave)}, waiting(one)},
		"unknown verdict":               {toReview(one), []policy.Reviewed{review(bob, "maybe", 0)}, waiting(one)},
		"the requester":                 {toReview(one), []policy.Reviewed{approval(person("alice", "static/leads"))}, waiting(one)},
		"the requester's other account": {toReview(one), []policy.Reviewed{approval(otherAlice)}, waiting(one)},
		"the requester's old account":   {toReview(one), []policy.Reviewed{moved}, waiting(one)},
		"a review of somebody else":     {toReview(one), []policy.Reviewed{borrowed}, waiting(one)},
		"an agent":                      {toReview(one), []policy.Reviewed{approval(robot)}, waiting(one)},
		"a human without a person":      {toReview(one), []policy.Reviewed{approval(nobody)}, waiting(one)},
		"one of two":                    {toReview(two), []policy.Reviewed{approval(bob)}, waiting(two)},
		"the same person twice":         {toReview(two), []policy.Reviewed{approval(bob), approval(bob), approval(otherBob)}, waiting(two)},
		"two of two":                    {toReview(two), []policy.Reviewed{approval(bob), approval(carol)}, approved},

		"second stage opens":            {toReview(one, second), []policy.Reviewed{approval(bob)}, waiting(second)},
		"second stage is not open yet":  {toReview(one, second), []policy.Reviewed{approval(dave)}, waiting(one)},
		"both stages in order":          {toReview(one, second), []policy.Reviewed{approval(bob), approval(dave)}, approved},
		"both stages by one person":     {toReview(one, second), []policy.Reviewed{approval(carol), approval(carol)}, waiting(second)},
		"one review in two policies":    {toReview(one, guard), []policy.Reviewed{approval(carol)}, approved},
		"each policy waits for its own": {toReview(one, guard), []policy.Reviewed{approval(bob)}, waiting(guard)},
		"stages of two resources":       {toReview(one, openStage("p", 0, 1, security)), []policy.Reviewed{approval(bob)}, waiting(openStage("p", 0, 1, security))},

		"shortest cap":          {toReview(two), []policy.Reviewed{review(bob, access.Approve, time.Hour), review(carol, access.Approve, time.Minute)}, policy.Progress{Approved: true, Cap: time.Minute}},
		"cap that counts not":   {toReview(one), []policy.Reviewed{review(dave, access.Approve, time.Minute), review(bob, access.Approve, time.Hour)}, policy.Progress{Approved: true, Cap: time.Hour}},
		"negative cap":          {toReview(one), []policy.Reviewed{review(bob, access.Approve, -time.Hour)}, waiting(one)},
		"auto":                  {policy.Decision{Verdict: policy.VerdictAuto}, nil, approved},
		"auto, missing mfa":     {policy.Decision{Verdict: policy.VerdictAuto, Missing: []string{"mfa"}}, nil, policy.Progress{}},
		"approved, missing mfa": {policy.Decision{Verdict: policy.VerdictReview, Stages: []policy.OpenStage{one}, Missing: []string{"mfa"}}, []policy.Reviewed{approval(bob)}, policy.Progress{}},
		"denied by policy":      {policy.Decision{Verdict: policy.VerdictDenied}, []policy.Reviewed{approval(bob)}, policy.Progress{Denied: true}},
		"no decision":           {policy.Decision{}, []policy.Reviewed{approval(bob)}, policy.Progress{}},
		"review without stages": {toReview(), []policy.Reviewed{approval(bob)}, policy.Progress{}},
		"stage without people":  {toReview(openStage("p", 0, 1)), []policy.Reviewed{approval(bob)}, waiting(openStage("p", 0, 1))},
		"stage without count":   {toReview(openStage("p", 0, 0, leads)), []policy.Reviewed{approval(bob)}, waiting(openStage("p", 0, 0, leads))},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, policy.Tally(c.decision, alice(), c.reviews)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFits(t *testing.T) {
	agent := access.Principal{ID: staticID("agent"), Kind: access.Agent, Person: "bob", ActsFor: staticID("alice")}
	anyone := openStage("p", 0, 1, "anyone")
	for name, c := range map[string]struct {
		reviewer, requester access.Principal
		want                bool
	}{
		"another person":                {person("carol"), alice(), true},
		"oneself":                       {alice(), alice(), false},
		"the agent's owner":             {person("bob"), agent, false},
		"the human it acts for":         {alice(), agent, false},
		"neither":                       {person("carol"), agent, true},
		"a requester without a person":  {person("carol"), access.Principal{ID: staticID("x"), Kind: access.Service}, false},
		"an agent reviewing its owner":  {agent, person("bob"), false},
		"an agent reviewing a stranger": {agent, person("carol"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := policy.Fits(anyone, c.reviewer, c.requester); got != c.want {
				t.Errorf("fits: %v", got)
			}
		})
	}
}
