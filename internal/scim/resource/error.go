package resource

import "fmt"

// ErrorType is the scimType of an error (RFC 7644, section 3.12).
type ErrorType string

// The types of error that a bad request has.
const (
	InvalidFilter ErrorType = "invalidFilter"
	InvalidPath   ErrorType = "invalidPath"
	InvalidSyntax ErrorType = "invalidSyntax"
	InvalidValue  ErrorType = "invalidValue"
	Mutability    ErrorType = "mutability"
	NoTarget      ErrorType = "noTarget"
	TooMany       ErrorType = "tooMany"
)

// Error is what is wrong with a request, in words for whoever set up the client. It repeats no value of a document, for
// clients log errors.
type Error struct {
	Type   ErrorType
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return e.Detail }

func errorf(t ErrorType, format string, args ...any) *Error {
	return &Error{Type: t, Detail: fmt.Sprintf(format, args...)}
}
