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

// tally counts the reviews of a request of alice's.
func tally(d policy.Decision, reviews []policy.Reviewed) policy.Progress {
	return policy.Tally(policy.Case{Decision: d, Parties: policy.Parties{Requester: alice()}, Reviews: reviews})
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
	passkeys := one
	passkeys.MFA = true
	confirmed := func(r policy.Reviewed) policy.Reviewed { r.MFA = true; return r }
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
	// Bob's other account, which was told apart from him after it had reviewed.
	apart := approval(otherBob)
	apart.Reviewer.Person = "somebody"
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
		"one who was two accounts":      {toReview(two), []policy.Reviewed{approval(bob), apart}, waiting(two)},
		"and the other way round":       {toReview(two), []policy.Reviewed{apart, approval(bob)}, waiting(two)},
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
		"unconfirmed":           {toReview(passkeys), []policy.Reviewed{approval(bob)}, waiting(passkeys)},
		"confirmed":             {toReview(passkeys), []policy.Reviewed{confirmed(approval(bob))}, approved},
		"unconfirmed denial":    {toReview(passkeys), []policy.Reviewed{review(bob, access.Deny, 0)}, policy.Progress{Denied: true}},
		"unconfirmed elsewhere": {toReview(passkeys, guard), []policy.Reviewed{approval(carol)}, waiting(passkeys)},
		"denied by policy":      {policy.Decision{Verdict: policy.VerdictDenied}, []policy.Reviewed{approval(bob)}, policy.Progress{Denied: true}},
		"no decision":           {policy.Decision{}, []policy.Reviewed{approval(bob)}, policy.Progress{}},
		"review without stages": {toReview(), []policy.Reviewed{approval(bob)}, policy.Progress{}},
		"stage without people":  {toReview(openStage("p", 0, 1)), []policy.Reviewed{approval(bob)}, waiting(openStage("p", 0, 1))},
		"stage without count":   {toReview(openStage("p", 0, 0, leads)), []policy.Reviewed{approval(bob)}, waiting(openStage("p", 0, 0, leads))},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, tally(c.decision, c.reviews)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A review counts by when it was given, whenever it is counted.
func TestTallyFallsBackInTime(t *testing.T) {
	bob, carol, dave := person("bob", "static/leads"), person("carol", "static/security"), person("dave", "static/leads")
	asked := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	first, second := openStage("p", 0, 1, "group:static/leads"), openStage("p", 1, 1, "person:dave")
	first.Fallback = &policy.Fallback{From: []string{"group:static/security"}, Within: time.Hour}
	second.Fallback = first.Fallback
	at := func(r policy.Reviewed, after time.Duration) policy.Reviewed {
		r.Review.At = asked.Add(after)
		return r
	}
	waiting := func(s policy.OpenStage, after time.Duration) policy.Progress {
		if s.FallbackAt = asked.Add(after); after == 0 {
			s = s.WithFallback()
			s.FallbackAt = time.Time{}
		}
		return policy.Progress{Open: []policy.OpenStage{s}}
	}
	for name, c := range map[string]struct {
		reviews []policy.Reviewed
		now     time.Duration
		want    policy.Progress
	}{
		"nobody yet":                  {nil, 0, waiting(first, time.Hour)},
		"a moment before":             {nil, time.Hour - 1, waiting(first, time.Hour)},
		"in time":                     {nil, time.Hour, waiting(first, 0)},
		"too early":                   {[]policy.Reviewed{at(approval(carol), time.Hour-1)}, 2 * time.Hour, waiting(first, 0)},
		"a denial too early":          {[]policy.Reviewed{at(review(carol, access.Deny, 0), time.Minute)}, 2 * time.Hour, waiting(first, 0)},
		"a denial in time":            {[]policy.Reviewed{at(review(carol, access.Deny, 0), time.Hour)}, 2 * time.Hour, policy.Progress{Denied: true}},
		"the second from the first":   {[]policy.Reviewed{at(approval(bob), 10*time.Minute)}, time.Hour, waiting(second, 70*time.Minute)},
		"too early for the second":    {[]policy.Reviewed{at(approval(bob), 10*time.Minute), at(approval(carol), 69*time.Minute)}, 2 * time.Hour, waiting(second, 0)},
		"for the second":              {[]policy.Reviewed{at(approval(bob), 10*time.Minute), at(approval(carol), 70*time.Minute)}, 2 * time.Hour, policy.Progress{Approved: true}},
		"one is not two":              {[]policy.Reviewed{at(approval(carol), time.Hour), at(approval(carol), 3*time.Hour)}, 3 * time.Hour, waiting(second, 0)},
		"the first, late":             {[]policy.Reviewed{at(approval(bob), 3*time.Hour), at(approval(dave), 3*time.Hour)}, 3 * time.Hour, policy.Progress{Approved: true}},
		"the first, before the other": {[]policy.Reviewed{at(approval(dave), 3*time.Hour)}, 3 * time.Hour, waiting(second, 4*time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			got := policy.Tally(policy.Case{
				Decision: toReview(first, second), Parties: policy.Parties{Requester: alice()}, AskedAt: asked, Reviews: c.reviews, Now: asked.Add(c.now),
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever of a delegation does not fit the review, or is not so any more, gives the delegate no seat.
func TestTallyOfDelegates(t *testing.T) {
	bob, mallory := person("bob", "static/leads"), person("mallory")
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	stage := openStage("p", 0, 1, "group:static/leads")
	good := func() (policy.Case, *policy.Reviewed) {
		r := approval(mallory)
		r.Review.At, r.Review.Delegation, r.Review.InSteadOf, r.Absent = now, "dl_1", bob.ID, bob
		r.Delegation = access.Delegation{
			ID: "dl_1", Absent: bob.ID, AbsentPerson: "bob", Delegate: mallory.ID, DelegatePerson: "mallory",
			From: now.Add(-time.Hour), Until: now.Add(2 * time.Hour),
		}
		c := policy.Case{Decision: toReview(stage), Parties: policy.Parties{Requester: alice()}, Reviews: []policy.Reviewed{r}, Now: now.Add(time.Hour)}
		return c, &c.Reviews[0]
	}
	for name, c := range map[string]struct {
		change func(*policy.Case, *policy.Reviewed)
		want   bool
	}{
		"in force":                      {func(*policy.Case, *policy.Reviewed) {}, true},
		"another account of hers":       {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.Delegate.Issuer = "okta" }, true},
		"over":                          {func(c *policy.Case, _ *policy.Reviewed) { c.Now = now.Add(2 * time.Hour) }, false},
		"over, and begun before":        {func(c *policy.Case, _ *policy.Reviewed) { c.Now, c.Begun = now.Add(2*time.Hour), true }, true},
		"ended early":                   {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.EndedAt = now.Add(time.Minute) }, false},
		"not begun at the review":       {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.From = now.Add(time.Second) }, false},
		"another delegation":            {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.ID = "dl_2" }, false},
		"no delegation":                 {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation = access.Delegation{} }, false},
		"the review says nothing":       {func(_ *policy.Case, r *policy.Reviewed) { r.Review.Delegation = "" }, false},
		"of somebody else":              {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.Absent.Subject = "dave" }, false},
		"to somebody else":              {func(_ *policy.Case, r *policy.Reviewed) { r.Delegation.DelegatePerson = "dave" }, false},
		"an account that changed hands": {func(_ *policy.Case, r *policy.Reviewed) { r.Absent.Person = "dave" }, false},
		"the absent one is gone":        {func(_ *policy.Case, r *policy.Reviewed) { r.Absent = access.Principal{} }, false},
		"gone after the beginning":      {func(c *policy.Case, r *policy.Reviewed) { r.Absent, c.Begun = access.Principal{}, true }, false},
		"leads no more":                 {func(_ *policy.Case, r *policy.Reviewed) { r.Absent.Groups = nil }, false},
		"the absent one asks":           {func(c *policy.Case, _ *policy.Reviewed) { c.Requester = bob }, false},
		"the delegate asks":             {func(c *policy.Case, _ *policy.Reviewed) { c.Requester = mallory }, false},
		"the absent one asked for it":   {func(c *policy.Case, _ *policy.Reviewed) { c.AskedBy = bob }, false},
		"the delegate asked for it":     {func(c *policy.Case, _ *policy.Reviewed) { c.AskedBy = mallory }, false},
		"an agent":                      {func(_ *policy.Case, r *policy.Reviewed) { r.Reviewer.Kind = access.Agent }, false},
		"an agent is absent":            {func(_ *policy.Case, r *policy.Reviewed) { r.Absent.Kind = access.Agent }, false},
		"no delegates here":             {func(c *policy.Case, _ *policy.Reviewed) { c.Decision.Stages[0].NoDelegates = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			tallied, r := good()
			c.change(&tallied, r)
			if got := policy.Tally(tallied).Approved; got != c.want {
				t.Errorf("approved: %v", got)
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
			if got := policy.Fits(anyone, c.reviewer, policy.Parties{Requester: c.requester}); got != c.want {
				t.Errorf("fits: %v", got)
			}
		})
	}
}
