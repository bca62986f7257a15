package access

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error once, where it happens; callers act on the kind.
type Kind uint8

// The kinds of error.
const (
	// KindInternal is everything that nobody foresaw.
	KindInternal Kind = iota
	// KindInvalid means that the input is wrong and stays wrong.
	KindInvalid
	// KindUnauthenticated means that nobody is known to ask.
	KindUnauthenticated
	// KindDenied means that the asker is known and may not.
	KindDenied
	// KindNotFound means that it is not there, or not for this asker.
	KindNotFound
	// KindConflict means that it changed meanwhile, or its state forbids this.
	KindConflict
	// KindExhausted means too many or too much; later may work.
	KindExhausted
	// KindUnavailable means that a system that is needed does not answer; trying again may work.
	KindUnavailable
	// KindTimeout means that the time given ran out.
	KindTimeout
	// KindUnconfirmed means that the asker may, once they have confirmed it with a passkey.
	KindUnconfirmed
	// KindMisconfigured means that an operator must change something before it can work.
	KindMisconfigured
)

// kinds is the one table from kinds to names, HTTP statuses and exit codes.
var kinds = [...]struct {
	name   string
	status int
	exit   int
}{
	KindInternal:        {"internal", 500, 1},
	KindInvalid:         {"invalid", 422, 2},
	KindUnauthenticated: {"unauthenticated", 401, 3},
	KindDenied:          {"denied", 403, 3},
	KindNotFound:        {"not found", 404, 4},
	KindConflict:        {"conflict", 409, 1},
	KindExhausted:       {"exhausted", 429, 1},
	KindUnavailable:     {"unavailable", 503, 1},
	KindTimeout:         {"timeout", 504, 5},
	KindUnconfirmed:     {"unconfirmed", 428, 3},
	KindMisconfigured:   {"misconfigured", 500, 1},
}

// String is the kind's name.
func (k Kind) String() string { return kinds[k].name }

// HTTPStatus is the status that the API answers with.
func (k Kind) HTTPStatus() int { return kinds[k].status }

// ExitCode is what the command line exits with.
func (k Kind) ExitCode() int { return kinds[k].exit }

// KindOfHTTPStatus is the inverse of HTTPStatus, for clients.
func KindOfHTTPStatus(status int) Kind {
	for k := range kinds {
		if kinds[k].status == status {
			return Kind(k)
		}
	}
	if status >= 400 && status < 500 {
		return KindInvalid
	}
	return KindInternal
}

// Error carries a sentence for users and, apart from it, the detail for operators.
type Error struct {
	Kind Kind
	// Message is safe to show to the asker and says what to do next. It never holds a secret or another's data.
	Message string
	// Err is the cause, for logs.
	Err error
}

// Error is the message with the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error whose whole text is safe to show.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a safe message around a cause that only operators see.
func Wrap(kind Kind, err error, message string) *Error {
	return &Error{Kind: kind, Message: message, Err: err}
}

// KindOf finds the kind of err: its Error's, or the meaning of a context's end, or KindInternal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.Is(err, context.Canceled):
		return KindUnavailable
	}
	return KindInternal
}

// SafeMessage is the sentence to show to the asker. An error without one yields a general sentence.
func SafeMessage(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Something went wrong inside Curfew; the server's log has the detail."
}
