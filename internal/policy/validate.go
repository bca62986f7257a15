package policy

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// orderedRanges refuses to iterate over anything but a list. Maps have no order, so that a loop over one could give
// another result, or meet the cost limit at another place, when a decision is replayed.
type orderedRanges struct{}

// Name implements cel.ASTValidator.
func (orderedRanges) Name() string { return "curfew.ordered_ranges" }

// Validate implements cel.ASTValidator.
func (orderedRanges) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.ComprehensionKind {
			return
		}
		over := e.AsComprehension().IterRange()
		if t := a.GetType(over.ID()); t.Kind() != types.ListKind {
			issues.ReportErrorAtID(over.ID(), "a loop over %s; only lists have an order. Ask for a key: m[?\"key\"].orValue(\"\")", cel.FormatCELType(t))
		}
	}))
}

// literalFactArguments demands that fact functions are called with literals: which facts a policy wants must be known
// before it is evaluated.
type literalFactArguments struct {
	facts map[string]factFunction
}

// Name implements cel.ASTValidator.
func (literalFactArguments) Name() string { return "curfew.literal_fact_arguments" }

// Validate implements cel.ASTValidator.
func (v literalFactArguments) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		name := e.AsCall().FunctionName()
		if _, isFact := v.facts[name]; !isFact {
			return
		}
		for _, argument := range e.AsCall().Args() {
			text, ok := literal(argument)
			if !ok {
				issues.ReportErrorAtID(argument.ID(), "an argument of %s must be a literal text, as in %s(\"name\")", name, name)
				continue
			}
			if err := checkFactArgument(text); err != nil {
				issues.ReportErrorAtID(argument.ID(), "an argument of %s: %v", name, err)
			}
		}
	}))
}

// maxFactArgument bounds an argument of a fact function, in bytes.
const maxFactArgument = 256

func checkFactArgument(text string) error {
	if len(text) > maxFactArgument {
		return fmt.Errorf("%d bytes are more than %d", len(text), maxFactArgument)
	}
	return checkName(text)
}

// literal is the text of a string literal.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}
