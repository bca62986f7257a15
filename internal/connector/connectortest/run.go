package connectortest

import (
	"fmt"
	"slices"
	"testing"
)

// Run runs every case that applies to the harness as a subtest of t, and prints why the others do not apply.
func Run(t *testing.T, h *Harness) {
	t.Helper()
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range Cases() {
		if reason := c.NotApplicable(h); reason != "" {
			t.Logf("law: %q does not apply: %s", c.Name, reason)
			continue
		}
		t.Run(c.Name, func(t *testing.T) { c.Run(t, h) })
	}
}

// Case is one paragraph of the law.
type Case struct {
	Name  string
	needs []Capability
	run   func(l *law)
}

// NotApplicable is why the case cannot be run with this harness, or empty.
func (c Case) NotApplicable(h *Harness) string {
	for _, need := range c.needs {
		if reason := h.lacks(need); reason != "" {
			return fmt.Sprintf("no %q: %s", need, reason)
		}
	}
	return ""
}

// Run runs the case. It fails t, by FailNow where going on makes no sense.
func (c Case) Run(t testing.TB, h *Harness) {
	t.Helper()
	c.run(newLaw(t, h))
}

// Cases lists the law.
func Cases() []Case {
	return slices.Concat(
		lifeCases(),
		credentialCases(),
		expiryCases(),
		sessionCases(),
		neighbourCases(),
		hostileCases(),
		observerCases(),
		faultCases(),
		concurrencyCases(),
		batchCases(),
		sharedCases(),
	)
}
