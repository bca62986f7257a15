package audit

import "errors"

// ErrRewritten is wrapped by the error for a log that does not begin with what somebody kept of it.
var ErrRewritten = errors.New("the log does not begin with what a checkpoint says it was")
