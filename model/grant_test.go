package model_test

import (
	"strings"
	"testing"
)

// What the engine promises holds in every run of the model.
func TestGrant(t *testing.T) {
	s := needSpin(t)
	for _, test := range []struct {
		name string
		job  search
		// whole: the runs reach every statement of the model.
		whole bool
	}{
		{"safe", search{defines: []string{"ATTEMPTS=3"}}, true},
		{"safe where the target takes late orders", search{defines: []string{"ATTEMPTS=3", "TARGET_TRUSTS_THE_ORDER"}}, true},
		// What is safe rests on comparing and swapping, and not on the lease.
		{"safe without leases", search{defines: []string{"ATTEMPTS=2", "BUG_LEASE_IGNORED"}}, false},
		{"what is over ends", search{defines: []string{"ATTEMPTS=2"}, liveness: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := s.run(t, test.job)
			t.Log(r)
			if r.violation != "" {
				t.Errorf("%s\n%s", r.violation, r.trace)
			}
			if test.whole && len(r.unreached) > 0 {
				t.Errorf("no run reaches these statements, so they say nothing:\n%s", strings.Join(r.unreached, "\n"))
			}
		})
	}
}

// Every rule that is broken on purpose is found out: a check that cannot fail proves nothing. The first three were
// defects of the engine until the model found them.
func TestBrokenRulesAreFound(t *testing.T) {
	s := needSpin(t)
	const (
		endsTooEarly = "cameTooLate"
		takesLive    = "((state=="
		neverEnds    = "acceptance cycle"
	)
	for _, test := range []struct {
		name, want string
		job        search
	}{
		{"an order is forgotten when a later one is answered", endsTooEarly, search{defines: []string{"BUG_EARLIER_ORDER_FORGOTTEN"}}},
		{"the read that ends is dated when its answer came", endsTooEarly, search{defines: []string{"BUG_TIME_TAKEN_AFTER_THE_READ"}}},
		{"the loser undoes what is live", takesLive, search{defines: []string{"BUG_UNDO_WHAT_IS_LIVE"}}},
		{"the target is touched before the commit", "planned", search{defines: []string{"BUG_EFFECT_BEFORE_COMMIT"}}},
		{"ended without reading back", endsTooEarly, search{defines: []string{"BUG_END_WITHOUT_READ"}}},
		{"blind is gone", endsTooEarly, search{defines: []string{"BUG_BLIND_IS_GONE"}}},
		{"no compare-and-swap", endsTooEarly, search{defines: []string{"BUG_CAS_SKIPPED"}}},
		{"neither lease nor compare-and-swap", endsTooEarly, search{defines: []string{"BUG_CAS_SKIPPED", "BUG_LEASE_IGNORED"}}},
		{"act_by is not asked at the end", endsTooEarly, search{defines: []string{"BUG_ACT_BY_IGNORED"}}},
		{"a retry moves the deadline", "clockStarted", search{defines: []string{"BUG_DEADLINE_MOVED"}}},
		// No defect, but the limit of what can be promised without looking again later.
		{"a target takes orders of any age", endsTooEarly, search{defines: []string{"TARGET_TRUSTS_THE_ORDER", "NOTHING_EXCUSED"}}},
		{"the tries end", neverEnds, search{defines: []string{"BUG_TRIES_END"}, liveness: true}},
		{"a dead node's lease never ends", neverEnds, search{defines: []string{"BUG_LEASE_NEVER_ENDS"}, liveness: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.job.defines = append(test.job.defines, "ATTEMPTS=2")
			r := s.run(t, test.job)
			t.Log(r, r.violation)
			if !strings.Contains(r.violation, test.want) {
				t.Errorf("the violation is %q, want one of %q", r.violation, test.want)
			}
		})
	}
}
