package policy

// Set is a compiled, immutable set of policies. It is safe for concurrent use.
type Set struct {
	policies []*compiled
	index    index
	language *language
	vars     map[string]variable
	source   []byte
	digest   string
}

// compiled is one policy, ready to be matched and evaluated.
type compiled struct {
	// Policy is canonical: lists sorted and without repetition, selectors canonical, defaults filled in.
	Policy
	// position is the policy's place in the file.
	position    int
	digest      string
	patterns    []pattern
	when, until *expression
}

// Compile checks and compiles policies. Its error joins one *Error per mistake found, in the order of the policies; see
// errors.Join.
func Compile(policies []Policy) (*Set, error) {
	vars := variables()
	language, err := newLanguage(vars, factFunctions())
	if err != nil {
		return nil, err
	}
	s := &Set{language: language, vars: vars}
	if s.policies, err = compileAll(language, policies); err != nil {
		return nil, err
	}
	s.index = newIndex(s.policies)
	if err := s.seal(); err != nil {
		return nil, err
	}
	return s, nil
}

// Digest names the whole set: SHA-256 over Source, in hex.
func (s *Set) Digest() string { return s.digest }

// FactUse is a place where a policy calls a fact function.
type FactUse struct {
	// Policy is the index in the list, Name its name, Field "when" or "until".
	Policy int
	Name   string
	Field  string
	// Line and Column are the place in that field's text, counted from 1.
	Line, Column int
	Call         FactCall
}

// FactUses lists every call of a fact function in file order, so that a configuration can refuse the calls that nothing
// configured would answer.
func (s *Set) FactUses() []FactUse {
	var uses []FactUse
	for _, p := range s.policies {
		for _, f := range []struct {
			name       string
			expression *expression
		}{{"when", p.when}, {"until", p.until}} {
			for _, c := range f.expression.factCalls() {
				uses = append(uses, FactUse{Policy: p.position, Name: p.Name, Field: f.name, Line: c.line, Column: c.column, Call: c.FactCall})
			}
		}
	}
	return uses
}
