package connector_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// nameLimit is PostgreSQL's.
const nameLimit = 63

func TestAccountName(t *testing.T) {
	const id = "01jqzv8k3m5n7p9r1t3v5x7y9z"
	for subject, want := range map[string]string{
		"alice":                   "curfew_alice_" + id,
		"Alice.Smith@example.com": "curfew_alice_smith_example_com_" + id,
		`x"; DROP ROLE a; --`:     "curfew_x_drop_role_a_" + id,
		"日本":                      "curfew_user_" + id,
		"":                        "curfew_user_" + id,
		strings.Repeat("a", 300):  "curfew_" + strings.Repeat("a", 29) + "_" + id,
	} {
		if got := connector.AccountName(subject, access.GrantPrefix+id, nameLimit); got != want {
			t.Errorf("%q: %s, want %s", subject, got, want)
		}
	}
}

var plainAccount = regexp.MustCompile(`^curfew_[0-9a-z]([0-9a-z_]*[0-9a-z])?_[0-9a-z]{26}$`)

func FuzzAccountName(f *testing.F) {
	for _, s := range []string{"alice", `"`, "'; --", "\x00", "İ", "K", "a\xff", strings.Repeat("_", 70)} {
		f.Add(s, "gr_01jqzv8k3m5n7p9r1t3v5x7y9z")
		f.Add("alice", s)
	}
	f.Fuzz(func(t *testing.T, subject, grant string) {
		name := connector.AccountName(subject, access.GrantID(grant), nameLimit)
		if len(name) > nameLimit || !plainAccount.MatchString(name) {
			t.Errorf("%q, %q: %q", subject, grant, name)
		}
	})
}

// TestAccountNamesOfGrantsDiffer holds for any two IDs, minted or not, and whoever they are for.
func TestAccountNamesOfGrantsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.OneOf(rapid.StringMatching(`gr_[0-9a-zA-Z]{26}`), rapid.String())
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		if a != b && connector.AccountName("alice", access.GrantID(a), nameLimit) == connector.AccountName("alice", access.GrantID(b), nameLimit) {
			t.Errorf("%q and %q have one name", a, b)
		}
	})
}
