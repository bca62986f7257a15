package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func TestAccountRule(t *testing.T) {
	alice := access.Principal{
		ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"}, Kind: access.Human, Groups: []string{"static/payments"},
		Attributes: map[string]string{"db_user": "alice_db", "empty": "", "long": strings.Repeat("a", MaxAccount+1), "lines": "a\nb"},
	}
	tests := []struct {
		rule, want, wrong string
	}{
		{rule: `principal.attributes.db_user`, want: "alice_db"},
		{rule: `principal.subject + "@acme"`, want: "alice@acme"},
		{rule: `principal.attributes[?"github"].orValue(principal.subject)`, want: "alice"},
		{rule: `"static/payments" in principal.groups ? "payments" : ""`, want: "payments"},
		{rule: `principal.attributes.missing`, wrong: "your entry in the directory does not have"},
		{rule: `principal.attributes.empty`, wrong: "yields nothing"},
		{rule: `principal.attributes.long`, wrong: "more than 256"},
		{rule: `principal.attributes.lines`, wrong: "control characters"},
	}
	for _, test := range tests {
		r, err := CompileAccountRule(test.rule)
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		got, err := r.Account(alice)
		if got != test.want || (err == nil) != (test.wrong == "") || (err != nil && !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s yields %q, %v; want %q, %q", test.rule, got, err, test.want, test.wrong)
		}
	}
}

func TestAccountRuleThatCannotBe(t *testing.T) {
	for rule, want := range map[string]string{
		`principal.attribute.db_user`: "undeclared reference",
		`resource.name`:               "undeclared reference",
		`now`:                         "undeclared reference",
		`oncall("x").now ? "a" : "b"`: "undeclared reference",
		`principal.groups`:            "want string",
		`principal.subject ==`:        "Syntax error",
		``:                            "Syntax error",
	} {
		_, err := CompileAccountRule(rule)
		e, ok := errors.AsType[*AccountRuleError](err)
		if !ok || !strings.Contains(e.Msg, want) || e.Line != 1 || e.Column < 1 {
			t.Errorf("%q: %v, want %q in line 1", rule, err, want)
		}
	}
}
