package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// Whatever becomes of a target, the decision repeats what it implies, and hangs on none of it.
func TestDecisionRepeatsWhatIsImplied(t *testing.T) {
	want := access.Implied{Rights: []string{"staff", "vpn"}, Incomplete: "There may be more."}
	for name, change := range map[string]func(*policy.Input){
		"decided":    func(*policy.Input) {},
		"no account": func(in *policy.Input) { in.Targets[0].NoAccount = "You have no account there." },
		"refused":    func(in *policy.Input) { in.Principal = access.Principal{} },
	} {
		set, in := compile(t, manyPolicies()), usualInput()
		change(&in)
		plain := set.Decide(in)
		in.Targets[0].Implies = want
		d := set.Decide(in)
		if diff := cmp.Diff(want, d.Targets[0].Implies); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		d.Targets[0].Implies = access.Implied{}
		if diff := cmp.Diff(plain, d); diff != "" {
			t.Errorf("%s: another decision (-plain +got):\n%s", name, diff)
		}
	}
}
