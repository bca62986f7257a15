package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Conditions by SQLSTATE (PostgreSQL's appendix A). Those of class CF are raised by our own functions.
const (
	stateSerializationFailure = "40001"
	stateDeadlock             = "40P01"
	stateUniqueViolation      = "23505"
	stateDuplicateObject      = "42710"
	stateUndefinedObject      = "42704"
	statePermissionDenied     = "42501"
	stateLockNotAvailable     = "55P03"
	stateQueryCanceled        = "57014"
	stateReadOnly             = "25006"
	stateInvalidParameter     = "22023"
	stateInternal             = "XX000"
	stateNoSuchDatabase       = "3D000"

	stateLate        = "CF001"
	stateForeignRole = "CF002"
	stateNotThere    = "CF003"
	stateNoGroup     = "CF004"
)

// sqlState is the SQLSTATE of err, or empty.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// concurrent reports whether the transaction failed, without a trace, only because another one was at the same rows.
func concurrent(err error) bool {
	switch sqlState(err) {
	case stateSerializationFailure, stateDeadlock, stateUniqueViolation, stateDuplicateObject, stateUndefinedObject:
		return true // of roles, the functions name only such as they have just seen, or seen missing
	case stateInvalidParameter: // what SET ROLE says of a role that has just gone
		return strings.HasSuffix(pgMessage(err), "does not exist")
	case stateInternal: // the catalogs' own words for it; there is no other code
		return strings.HasPrefix(pgMessage(err), "tuple concurrently") || strings.HasPrefix(pgMessage(err), "cache lookup failed")
	}
	return false
}

// fail classifies an error of the server or of the way to it. The cause keeps the server's message and code; its detail
// and context, which may quote statements, are left out.
func (d *driver) fail(ctx context.Context, err error, doing string) error {
	var already *access.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, format string, args ...any) error {
		message := fmt.Sprintf("The connector %s cannot %s: ", d.name, doing) + fmt.Sprintf(format, args...)
		return access.Wrap(kind, cause(err), message)
	}
	if ctx.Err() != nil {
		return say(access.KindOf(ctx.Err()), "its time ran out or it was cancelled.")
	}
	state := sqlState(err)
	if state == "" || strings.HasPrefix(state, "57P") {
		// The other connections have most likely died with this one; each would fail one more call.
		for _, pool := range d.pools() {
			pool.Reset()
		}
	}
	if state == "" {
		return say(access.KindUnavailable, "the server cannot be reached.")
	}
	switch state {
	case stateLate:
		return connector.TooLate(d.name)
	case stateForeignRole:
		return say(access.KindConflict, "a role of that name exists and does not bear the grant's mark. An operator must look at it.")
	case stateNotThere:
		return say(access.KindNotFound, "there is no live access of this grant at the target.")
	case stateNoGroup:
		return say(access.KindMisconfigured, "%v. An operator must create it or change the connector's permissions.", pgMessage(err))
	case statePermissionDenied:
		return say(access.KindMisconfigured, "its account lacks a privilege. An operator must grant it; the connector's page has the statements.")
	case stateNoSuchDatabase:
		return say(access.KindMisconfigured, "the database of its connection string does not exist.")
	case stateReadOnly:
		return say(access.KindMisconfigured, "the server is read-only. The connection string must lead to the primary.")
	case stateLockNotAvailable:
		return say(access.KindUnavailable, "another session holds a lock on what must change.")
	case stateQueryCanceled:
		return say(access.KindTimeout, "the server took too long.")
	}
	if state == stateInternal && pgMessage(err) == "no possible grantors" { // there is no other code
		return say(access.KindMisconfigured, "its account does not administer the log-in. An operator must put the role that made it back into admin_roles.")
	}
	if concurrent(err) {
		return say(access.KindUnavailable, "other changes to the same roles kept coming first.")
	}
	switch state[:2] {
	case "08", "57", "58":
		return say(access.KindUnavailable, "the server is going down, starting up or broken.")
	case "53":
		return say(access.KindExhausted, "the server is out of connections, memory or disk.")
	case "28":
		return say(access.KindMisconfigured, "the server refuses the log-in of its account. An operator must correct its connection string.")
	}
	return say(access.KindInternal, "the server refused it.")
}

// cause is what an operator may read: never a statement, a parameter or a connection string.
func cause(err error) error {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &pg):
		return &serverError{code: pg.Code, message: pg.Message}
	case errors.As(err, &connect):
		return fmt.Errorf("connect: %w", errors.Unwrap(connect))
	}
	return err
}

// pgMessage is the server's sentence; for conditions that our functions raise it is ours.
func pgMessage(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Message
}

// serverError is the part of the server's error that holds no statement.
type serverError struct{ code, message string }

// Error is the message with the SQLSTATE.
func (e *serverError) Error() string { return e.message + " (SQLSTATE " + e.code + ")" }
