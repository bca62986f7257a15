package policy

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Reviewed is a review with its reviewer as the directory knows them now.
type Reviewed struct {
	Review   access.Review
	Reviewer access.Principal
	// MFA says that the reviewer has confirmed it with a second factor.
	MFA bool
	// Absent is in whose stead the review was given, as the directory knows them now, and Delegation that by which; zero where
	// the review says nothing of the kind, or they are not there any more.
	Absent     access.Principal
	Delegation access.Delegation
}

// Case is a decision with what has come of it: all that a tally depends on.
type Case struct {
	Decision Decision
	Parties
	// AskedAt is when the request was made, and its first stages opened.
	AskedAt time.Time
	// Reviews are in the order in which they were given.
	Reviews []Reviewed
	// Now is when they are counted. It says who may review in the stages that are open still; each review counts by the moment
	// at which it was given.
	Now time.Time
	// Begun says that access has begun on these reviews: delegations had to be in force until then, and no longer.
	Begun bool
}

// Tally replays the reviews in order over the decision's stages. Each counts in every stage that is open at its turn and
// that it fits; one person counts once. A denial that fits an open stage denies.
//
// It is the one answer to whether a decision may lead to access: it approves what needs no review at once, never what
// was denied or still misses a requirement, and never a stage that nobody can stand in.
func Tally(c Case) Progress {
	d := c.Decision
	if d.Verdict == VerdictDenied {
		return Progress{Denied: true}
	}
	t := tally{Case: c, stages: d.Stages, approvals: make([]int, len(d.Stages)), metAt: make([]time.Time, len(d.Stages))}
	for _, r := range c.Reviews {
		open := t.fitting(r)
		if len(open) == 0 {
			continue
		}
		switch r.Review.Verdict {
		case access.Deny:
			return Progress{Denied: true}
		case access.Approve:
			t.approve(r, open)
		}
	}
	p := Progress{Cap: t.limit}
	for _, i := range t.open() {
		p.Open = append(p.Open, t.stageAt(i, c.Now))
	}
	needsNobody := d.Verdict == VerdictAuto && len(d.Stages) == 0
	reviewed := d.Verdict == VerdictReview && len(d.Stages) > 0 && len(p.Open) == 0
	p.Approved = len(d.Missing) == 0 && (needsNobody || reviewed)
	return p
}

// tally counts approvals, by stage.
type tally struct {
	Case
	stages    []OpenStage
	approvals []int
	// metAt is when each stage was met; zero while it is not.
	metAt   []time.Time
	persons []access.PersonID
	// limit is the shortest cap; zero while there is none.
	limit time.Duration
}

// open lists the stages that wait now: of each policy the unmet ones with the lowest index.
func (t *tally) open() []int {
	first := map[string]int{}
	for i, s := range t.stages {
		if lowest, ok := first[s.Policy]; !t.met(i) && (!ok || s.Index < lowest) {
			first[s.Policy] = s.Index
		}
	}
	var open []int
	for i, s := range t.stages {
		if lowest, ok := first[s.Policy]; ok && !t.met(i) && s.Index == lowest {
			open = append(open, i)
		}
	}
	return open
}

// met reports whether enough people approved. A stage without people or without a count gates nothing, and is therefore
// never met.
func (t *tally) met(i int) bool {
	s := t.stages[i]
	return len(s.From) > 0 && s.Count > 0 && t.approvals[i] >= s.Count
}

// openedAt is when a stage opened: when the request was made, or the stages of its policy before it were met.
func (t *tally) openedAt(i int) time.Time {
	at := t.AskedAt
	for k, s := range t.stages {
		if s.Policy == t.stages[i].Policy && s.Index < t.stages[i].Index && t.metAt[k].After(at) {
			at = t.metAt[k]
		}
	}
	return at
}

// stageAt is an open stage as it stands at a moment: with its fallback, once nobody else has met it in time, and before
// that with the time from which.
func (t *tally) stageAt(i int, now time.Time) OpenStage {
	s := t.stages[i]
	if s.Fallback == nil {
		return s
	}
	if at := t.openedAt(i).Add(s.Within); now.Before(at) {
		s.FallbackAt = at
		return s
	}
	return s.WithFallback()
}

// footing is on what a review counts in a stage: as the reviewer's own, or in the stead of somebody else.
type footing struct {
	stage   int
	inStead bool
}

// fitting lists the open stages that the review fits.
func (t *tally) fitting(r Reviewed) (fits []footing) {
	// The person at the time of the review counts as well: an account that has changed hands since is still theirs.
	then := r.Reviewer
	then.Person = r.Review.Person
	if r.Review.Reviewer != r.Reviewer.ID || r.Review.Cap < 0 {
		return nil
	}
	delegated := t.delegated(r)
	for _, i := range t.open() {
		s := t.stageAt(i, r.Review.At)
		switch {
		case s.MFA && !r.MFA && r.Review.Verdict == access.Approve:
		case Fits(s, r.Reviewer, t.Parties) && Fits(s, then, t.Parties):
			fits = append(fits, footing{stage: i})
		case delegated && FitsInStead(s, r.Reviewer, r.Absent, t.Parties):
			fits = append(fits, footing{stage: i, inStead: true})
		}
	}
	return fits
}

// delegated reports whether the reviewer stands in the stead of somebody by a delegation that counts still: it was in force
// at the review, and is until access begins. Persons are those of then and of now.
func (t *tally) delegated(r Reviewed) bool {
	d := r.Delegation
	switch {
	case r.Review.Delegation == "" || r.Review.InSteadOf.IsZero() || r.Review.InSteadOf != r.Absent.ID || r.Reviewer.Person != r.Review.Person:
		return false
	case t.Begun:
		return true
	}
	return d.ID == r.Review.Delegation && d.Absent == r.Absent.ID && d.AbsentPerson == r.Absent.Person &&
		d.DelegatePerson == r.Reviewer.Person && d.Holds(r.Review.At) && d.Holds(t.Now)
}

// approve counts an approval. One person counts once, whether they were one at the review or are one now, and so does a seat: of
// somebody who is absent and their delegate, the first who reviews.
func (t *tally) approve(r Reviewed, fits []footing) {
	if slices.Contains(t.persons, r.Reviewer.Person) || slices.Contains(t.persons, r.Review.Person) {
		return
	}
	taken := slices.Contains(t.persons, r.Absent.Person)
	fits = slices.DeleteFunc(fits, func(f footing) bool { return f.inStead && taken })
	if len(fits) == 0 {
		return
	}
	t.persons = append(t.persons, r.Reviewer.Person, r.Review.Person)
	if slices.ContainsFunc(fits, func(f footing) bool { return f.inStead }) {
		t.persons = append(t.persons, r.Absent.Person)
	}
	for _, f := range fits {
		if t.approvals[f.stage]++; t.met(f.stage) {
			t.metAt[f.stage] = r.Review.At
		}
	}
	if r.Review.Cap > 0 && (t.limit == 0 || r.Review.Cap < t.limit) {
		t.limit = r.Review.Cap
	}
}
