package policy

import "github.com/curfewhq/curfew/internal/access"

// Set is a compiled, immutable set of policies. It is safe for concurrent use.
type Set struct{}

// Compile checks and compiles policies. Its error joins one *Error per mistake found.
func Compile(policies []Policy) (*Set, error) { return nil, nil }

// Error is one mistake in one policy.
type Error struct {
	// Policy is the index in the list, Name its name.
	Policy int
	Name   string
	// Path leads to the field: "when", or "approve", "0", "from".
	Path []string
	// Line and Column are positions inside a CEL expression, counted from 1; 0 elsewhere.
	Line, Column int
	// Msg says what is wrong, what was expected and, where there is one, the near miss.
	Msg string
}

// Error is the sentence.
func (e *Error) Error() string { return e.Msg }

// Digest names the whole set: SHA-256 over Source, in hex.
func (s *Set) Digest() string { return "" }

// Source is the set as canonical JSON; Load reads it back.
func (s *Set) Source() []byte { return nil }

// Load compiles what Source returned, for replay.
func Load(source []byte) (*Set, error) { return nil, nil }

// Needs is what the policies in question want to know beside the input.
type Needs struct {
	// Facts are calls such as `oncall("payments-primary")`, each to be answered under that key in Input.Facts.
	Facts []FactCall
	// Reviewers are the selectors to be resolved under that key in Input.Reviewers.
	Reviewers []string
}

// FactCall is one call of a fact function with its literal arguments.
type FactCall struct {
	Key      string
	Function string
	Args     []string
}

// Needs finds what the policies that concern the input name; only that is fetched.
func (s *Set) Needs(in Input) Needs { return Needs{} }

// Decide decides, purely.
func (s *Set) Decide(in Input) Decision { return Decision{} }

// Reviewed is a review with its reviewer as the directory knows them now.
type Reviewed struct {
	Review   access.Review
	Reviewer access.Principal
}

// Tally replays the reviews in order over the decision's stages. Each counts in every stage that is open at its turn and
// that it fits; one person counts once.
func Tally(d Decision, requester access.Principal, owners []string, reviews []Reviewed) Progress {
	return Progress{}
}

// Fits reports whether the principal may stand in the stage for this requester: human, another person, and matched by
// one of the stage's selectors.
func Fits(s OpenStage, reviewer, requester access.Principal, owners []string) bool { return false }
