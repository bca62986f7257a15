package policy

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxAccount bounds the name of an account, in bytes.
const MaxAccount = 256

// AccountRule says who a principal is at a target: an expression over principal that yields a text. It is safe for
// concurrent use.
type AccountRule struct {
	text       string
	expression *expression
	vars       map[string]variable
}

// CompileAccountRule checks a rule. Its error is an *AccountRuleError.
func CompileAccountRule(text string) (*AccountRule, error) {
	vars := variables()
	// A rule sees the principal and nothing of what is asked for: one person has one account.
	maps.DeleteFunc(vars, func(name string, _ variable) bool { return !strings.HasPrefix(name, "principal.") })
	language, err := newLanguage(vars, nil)
	if err != nil {
		return nil, err
	}
	e, mistakes := language.compile(text, cel.StringType)
	if len(mistakes) > 0 {
		m := mistakes[0]
		return nil, &AccountRuleError{Line: m.line, Column: m.column, Msg: m.msg}
	}
	return &AccountRule{text: text, expression: e, vars: vars}, nil
}

// Text is the rule as it was written.
func (r *AccountRule) Text() string { return r.text }

// ReadsNames reports whether the rule goes by what somebody is called.
func (r *AccountRule) ReadsNames() bool { return r.expression.readsNames() }

// Account is who the principal is at the target. Its error is a sentence's end that is safe to show: it names neither a
// value nor another principal.
func (r *AccountRule) Account(p access.Principal) (string, error) {
	value, err := r.expression.eval(&subject{in: &Input{Principal: p}, vars: r.vars})
	if err != nil {
		// Where in the rule that is says nothing to who asks for access.
		return "", fmt.Errorf("the rule for it reads something that your entry in the directory does not have")
	}
	text, ok := value.(types.String)
	account := string(text)
	switch {
	case !ok || account == "":
		return "", fmt.Errorf("the rule for it yields nothing for you")
	case len(account) > MaxAccount:
		return "", fmt.Errorf("the rule for it yields %d bytes, more than %d", len(account), MaxAccount)
	case strings.ContainsFunc(account, unicode.IsControl):
		return "", fmt.Errorf("the rule for it yields control characters")
	}
	return account, nil
}

// AccountRuleError is what is wrong with a rule, and where in its text, counted from 1.
type AccountRuleError struct {
	Line, Column int
	Msg          string
}

// Error is the place and the message.
func (e *AccountRuleError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg) }
