package policy

import (
	"fmt"
	"strings"
)

// Error is one mistake in one policy.
type Error struct {
	// Policy is the index in the list, from 0; Name is its name.
	Policy int
	Name   string
	// Path leads to the field by the keys that people write: "when", or "approve", "0", "from".
	Path []string
	// Line and Column are positions inside a CEL expression, counted from 1; 0 elsewhere.
	Line, Column int
	// Msg says what is wrong, what was expected and, where there is one, the near miss.
	Msg string
}

// Error is the place and the message. Who knows a better place, such as a line of a file, shows Msg behind that.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name != "" {
		fmt.Fprintf(&b, "policy %q: ", e.Name)
	} else {
		fmt.Fprintf(&b, "policy number %d: ", e.Policy+1)
	}
	if len(e.Path) > 0 {
		b.WriteString(strings.Join(e.Path, ".") + ": ")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", e.Line, e.Column)
	}
	b.WriteString(e.Msg)
	return b.String()
}
