package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// Bounds of an expression. One unit of cost is about one operation, some tens of nanoseconds.
const (
	maxExpression      = 4096
	maxExpressionNodes = 2000
	maxNesting         = 32
	maxComprehensions  = 2
	maxRegexProgram    = 500
	maxExpressionCost  = 100_000
)

// Sizes that the estimate of an expression's cost assumes of what it cannot know. Longer values meet the same limit when
// the expression is evaluated.
const (
	assumedElements = 1000
	assumedBytes    = 512
)

// language is the environment in which expressions are checked: the variables, the fact functions, and the limits.
type language struct {
	env   *cel.Env
	vars  map[string]variable
	facts map[string]factFunction
}

func newLanguage(vars map[string]variable, facts map[string]factFunction) (*language, error) {
	options := []cel.EnvOption{
		cel.OptionalTypes(),
		ext.Strings(),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxExpressionNodes),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		cel.ExtendedValidations(),
		cel.ASTValidators(
			cel.ValidateComprehensionNestingLimit(maxComprehensions),
			orderedRanges{},
			literalFactArguments{facts},
		),
	}
	for name, v := range vars {
		options = append(options, cel.Variable(name, v.typ))
	}
	for _, f := range facts {
		options = append(options, f.declare()...)
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("the policy language cannot be set up: %w", err)
	}
	return &language{env: env, vars: vars, facts: facts}, nil
}

// expression is a checked CEL expression, ready to be evaluated any number of times by any number of goroutines.
type expression struct {
	program cel.Program
	ast     *cel.Ast
	// calls are the calls of fact functions in it, in the order of the text.
	calls []locatedCall
	// reads are the names of the variables in it, sorted.
	reads []string
}

// locatedCall is a call of a fact function with its place, counted from 1.
type locatedCall struct {
	FactCall
	line, column int
}

// mistake is what is wrong at one place of an expression, counted from 1.
type mistake struct {
	line, column int
	msg          string
}

// compile checks one expression, which must be of type want.
func (l *language) compile(text string, want *cel.Type) (*expression, []mistake) {
	if !utf8.ValidString(text) {
		return nil, []mistake{{1, 1, "the expression is not valid UTF-8"}}
	}
	ast, issues := l.env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, l.explain(issues.Errors())
	}
	if got := ast.OutputType(); !got.IsExactType(want) {
		return nil, []mistake{{1, 1, fmt.Sprintf("the expression is of type %s; want %s", cel.FormatCELType(got), cel.FormatCELType(want))}}
	}
	estimate, err := l.env.EstimateCost(ast, sizes{})
	if err != nil {
		return nil, []mistake{{1, 1, fmt.Sprintf("the cost of the expression cannot be estimated: %v", err)}}
	}
	if estimate.Max > maxExpressionCost {
		return nil, []mistake{{1, 1, fmt.Sprintf("the expression may cost up to %d steps, more than %d; nest fewer loops over lists", estimate.Max, maxExpressionCost)}}
	}
	program, err := l.env.Program(ast, cel.CostLimit(maxExpressionCost), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, []mistake{{1, 1, err.Error()}}
	}
	return &expression{
		program: program, ast: ast, calls: findFactCalls(ast.NativeRep(), l.facts), reads: l.findVariables(ast.NativeRep()),
	}, nil
}

var undefinedField = regexp.MustCompile(`^undefined field '(.*)'$`)

// explain turns the checker's errors into mistakes. The checker suggests near misses of variables and functions itself;
// for the fields of facts that is added here.
func (l *language) explain(errs []*common.Error) []mistake {
	mistakes := make([]mistake, 0, len(errs))
	for _, e := range errs {
		m := mistake{line: max(e.Location.Line(), 1), column: max(e.Location.Column(), 0) + 1, msg: e.Message}
		if field := undefinedField.FindStringSubmatch(e.Message); field != nil {
			var known []string
			for _, f := range l.facts {
				known = append(known, f.fields...)
			}
			m.msg += nearMiss(field[1], known...)
		}
		mistakes = append(mistakes, m)
	}
	return mistakes
}

// eval evaluates the expression. Its error is safe to show and begins with the place.
func (e *expression) eval(vars cel.Activation) (ref.Val, error) {
	value, details, err := e.program.Eval(vars)
	if err == nil {
		return value, nil
	}
	if cost := details.ActualCost(); cost != nil && *cost > maxExpressionCost {
		return nil, fmt.Errorf("the expression needs more than %d steps", maxExpressionCost)
	}
	if failed := (*types.Err)(nil); errors.As(err, &failed) {
		at := e.ast.NativeRep().SourceInfo().GetStartLocation(failed.NodeID())
		return nil, fmt.Errorf("%d:%d: %w", max(at.Line(), 1), max(at.Column(), 0)+1, err)
	}
	return nil, err
}

// factCalls are the calls of fact functions in the expression; none in a missing one.
func (e *expression) factCalls() []locatedCall {
	if e == nil {
		return nil
	}
	return e.calls
}

// variables are the names of those in the expression; none in a missing one.
func (e *expression) variables() []string {
	if e == nil {
		return nil
	}
	return e.reads
}

// readsNames reports whether the expression goes by what somebody is called.
func (e *expression) readsNames() bool { return slices.Contains(e.variables(), principalName) }

// findVariables finds the variables that a checked expression reads.
func (l *language) findVariables(a *ast.AST) []string {
	read := map[string]bool{}
	for _, reference := range a.ReferenceMap() {
		if l.vars[reference.Name].value != nil {
			read[reference.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(read))
}

// sizes is what the estimate assumes of the input.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	switch {
	case node.ComputedSize() != nil:
		return nil
	case node.Type().Kind() == types.ListKind || node.Type().Kind() == types.MapKind:
		return &cost.SizeEstimate{Max: assumedElements}
	default:
		return &cost.SizeEstimate{Max: assumedBytes}
	}
}

// EstimateCallCost implements cost.Estimator; the library's own estimates serve.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
