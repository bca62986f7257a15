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
}

// Tally replays the reviews in order over the decision's stages. Each counts in every stage that is open at its turn and
// that it fits; one person counts once. A denial that fits an open stage denies.
//
// It is the one answer to whether a decision may lead to access: it approves what needs no review at once, never what
// was denied or still misses a requirement, and never a stage that nobody can stand in.
func Tally(d Decision, requester access.Principal, reviews []Reviewed) Progress {
	if d.Verdict == VerdictDenied {
		return Progress{Denied: true}
	}
	t := tally{stages: d.Stages, approvals: make([]int, len(d.Stages))}
	for _, r := range reviews {
		open := t.fitting(r, requester)
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
		p.Open = append(p.Open, d.Stages[i])
	}
	needsNobody := d.Verdict == VerdictAuto && len(d.Stages) == 0
	reviewed := d.Verdict == VerdictReview && len(d.Stages) > 0 && len(p.Open) == 0
	p.Approved = len(d.Missing) == 0 && (needsNobody || reviewed)
	return p
}

// tally counts approvals, by stage.
type tally struct {
	stages    []OpenStage
	approvals []int
	persons   []access.PersonID
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

// fitting lists the open stages that the review fits.
func (t *tally) fitting(r Reviewed, requester access.Principal) []int {
	// The person at the time of the review counts as well: an account that has changed hands since is still theirs.
	then := r.Reviewer
	then.Person = r.Review.Person
	if r.Review.Reviewer != r.Reviewer.ID || r.Review.Cap < 0 {
		return nil
	}
	return slices.DeleteFunc(t.open(), func(i int) bool {
		return !Fits(t.stages[i], r.Reviewer, requester) || !Fits(t.stages[i], then, requester)
	})
}

func (t *tally) approve(r Reviewed, stages []int) {
	if slices.Contains(t.persons, r.Reviewer.Person) {
		return
	}
	t.persons = append(t.persons, r.Reviewer.Person)
	for _, i := range stages {
		t.approvals[i]++
	}
	if r.Review.Cap > 0 && (t.limit == 0 || r.Review.Cap < t.limit) {
		t.limit = r.Review.Cap
	}
}
