package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// FactCall is one call of a fact function with its literal arguments.
type FactCall struct {
	// Key is the call as text, `oncall("payments-primary")`, under which Input.Facts has the answer.
	Key      string
	Function string
	Args     []string
}

// onCall is the answer of oncall(SCHEDULE).
type onCall struct {
	// Now says that the requester is on duty in this schedule.
	Now bool `json:"now" cel:"now"`
	// Until is when that ends; zero when nobody knows.
	Until time.Time `json:"until" cel:"until"`
}

// ticket is the answer of ticket(), about the ticket that the request names.
type ticket struct {
	// Open says that there is such a ticket and that it is not closed.
	Open bool `json:"open" cel:"open"`
	// Assignee is whom the tracker says it is assigned to, in the tracker's own terms.
	Assignee string `json:"assignee" cel:"assignee"`
	// Labels are the tracker's fields that its configuration passes on, such as the customer.
	Labels map[string]string `json:"labels" cel:"labels"`
}

// factFunctions is the one list of what policies can ask of the world. A new one is a struct with json and cel tags, and
// an entry here.
func factFunctions() map[string]factFunction {
	return map[string]factFunction{
		"oncall": factOf[onCall]("oncall", 1, "now", "until"),
		"ticket": factOf[ticket]("ticket", 0, "open", "assignee", "labels"),
	}
}

// factFunction is the signature of a fact function: string arguments and an object as its result.
type factFunction struct {
	name      string
	arguments int
	// fields are the names of the result's fields. The first must be in every answer: without it the policy would go by
	// a zero value that nobody stated.
	fields     []string
	resultType *cel.NativeTypeDesc
	decode     func(json.RawMessage) (any, error)
}

func factOf[T any](name string, arguments int, fields ...string) factFunction {
	return factFunction{
		name: name, arguments: arguments, fields: fields,
		resultType: cel.NativeTypeFor[T](cel.NativeTypeAlias("fact."+name), ext.ParseStructTag("cel")),
		decode: func(answer json.RawMessage) (any, error) {
			var given map[string]json.RawMessage
			if err := json.Unmarshal(answer, &given); err != nil {
				return nil, errors.New("the answer is not a JSON object")
			}
			if _, ok := given[fields[0]]; !ok {
				return nil, fmt.Errorf("the answer has no field %q", fields[0])
			}
			var value T
			if err := json.Unmarshal(answer, &value); err != nil {
				return nil, errors.New("the answer has a field of another type")
			}
			return value, nil
		},
	}
}

// declare is the function and its result type. It is bound when it is evaluated, to the facts of one Input.
func (f factFunction) declare() []cel.EnvOption {
	arguments := make([]*cel.Type, f.arguments)
	for i := range arguments {
		arguments[i] = cel.StringType
	}
	overload := f.name + strings.Repeat("_string", f.arguments)
	return []cel.EnvOption{
		ext.NativeTypes(f.resultType),
		cel.Function(f.name, cel.Overload(overload, arguments, cel.ObjectType("fact."+f.name), cel.LateFunctionBinding())),
	}
}

// bind makes the fact functions answer from facts.
func (l *language) bind(facts map[string]Fact) map[string]cel.LateBoundFunction {
	bound := make(map[string]cel.LateBoundFunction, len(l.facts))
	for name, f := range l.facts {
		bound[name] = func(_ string, arguments ...ref.Val) ref.Val {
			args := make([]string, len(arguments))
			for i, a := range arguments {
				args[i] = string(a.(types.String))
			}
			value, err := f.answer(facts, factKey(name, args))
			if err != nil {
				return types.WrapErr(err)
			}
			return l.env.CELTypeAdapter().NativeToValue(value)
		}
	}
	return bound
}

func (f factFunction) answer(facts map[string]Fact, key string) (any, error) {
	fact, ok := facts[key]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is not known", key)
	case fact.Error != "":
		return nil, fmt.Errorf("%s is not known: %s", key, fact.Error)
	}
	value, err := f.decode(fact.Value)
	if err != nil {
		return nil, fmt.Errorf("%s is not known: %w", key, err)
	}
	return value, nil
}

func factKey(function string, args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = strconv.Quote(a)
	}
	return function + "(" + strings.Join(quoted, ", ") + ")"
}

// findFactCalls finds the calls of fact functions in a checked expression, whose arguments literalFactArguments has seen.
func findFactCalls(a *ast.AST, facts map[string]factFunction) []locatedCall {
	var calls []locatedCall
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		function := e.AsCall().FunctionName()
		if _, isFact := facts[function]; !isFact {
			return
		}
		var args []string
		for _, argument := range e.AsCall().Args() {
			if text, ok := literal(argument); ok {
				args = append(args, text)
			}
		}
		at := a.SourceInfo().GetStartLocation(e.ID())
		calls = append(calls, locatedCall{
			FactCall: FactCall{Key: factKey(function, args), Function: function, Args: args},
			line:     at.Line(), column: at.Column() + 1,
		})
	}))
	return calls
}
