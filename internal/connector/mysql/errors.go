package mysql

import (
	"context"
	"errors"
	"fmt"

	protocol "github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Errors of the server by number.
const (
	errNoSuchGrant       = 1141
	errParse             = 1064
	errTooManyConns      = 1040
	errTooManyUserConns  = 1203
	errUserLimit         = 1226
	errShutdown          = 1053
	errOutOfMemory       = 1041
	errDiskFull          = 1021
	errLockWait          = 1205
	errDeadlock          = 1213
	errKilled            = 1317
	errConnectionKilled  = 1927
	errTimeout           = 3024
	errStatementTimeout  = 1969
	errReadOnly          = 1290
	errReadOnlyServer    = 1836
	errNoDatabase        = 1049
	errNoTable           = 1146
	errNoProcedure       = 1305
	errAccessDenied      = 1045
	errDatabaseDenied    = 1044
	errPrivilege         = 1227
	errTableDenied       = 1142
	errColumnDenied      = 1143
	errProcedureDenied   = 1370
	errHostDenied        = 1130
	errInsecureTransport = 3159
	errInsecureMariaDB   = 4162
	errCannotUser        = 1396
)

// Conditions that our procedures raise.
const (
	stateLate      = "CF001"
	stateForeign   = "CF002"
	stateElsewhere = "CF003"
	stateRefused   = "CF004"
	stateBusy      = "CF005"
)

// serverNumber is the number of the server's error, or 0.
func serverNumber(err error) uint16 {
	if e, ok := errors.AsType[*protocol.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// fail classifies an error of the server or of the way to it. The cause keeps the server's number and message, unless that
// quotes a statement.
func (d *driver) fail(ctx context.Context, err error, doing string) error {
	var already *access.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, what string) error {
		return access.Wrap(kind, cause(err), fmt.Sprintf("The connector %s cannot %s: %s", d.name, doing, what))
	}
	if ctx.Err() != nil {
		return say(access.KindOf(ctx.Err()), "its time ran out or it was cancelled.")
	}
	e, ok := errors.AsType[*protocol.MySQLError](err)
	if !ok {
		if untrusted(err) {
			return say(access.KindMisconfigured, "nobody vouches for the server's certificate, or it speaks no TLS. An operator must name the authority's certificate in ca_file, or turn TLS on at the server.")
		}
		return say(access.KindUnavailable, "the server cannot be reached.")
	}
	switch string(e.SQLState[:]) {
	case stateLate:
		return connector.TooLate(d.name)
	case stateForeign:
		return say(access.KindConflict, "an account of that name bears another mark. An operator must look at it.")
	case stateElsewhere:
		return d.elsewhere(doing)
	case stateRefused:
		return say(access.KindInvalid, "its plan asks for what Curfew's procedures refuse.")
	case stateBusy:
		return say(access.KindUnavailable, "another call is at this account.")
	}
	kind, what := explain(e.Number)
	return say(kind, what)
}

// elsewhere is the error of a plan for another server: at the address of the old one there may be another by now.
func (d *driver) elsewhere(doing string) error {
	return access.Errorf(access.KindMisconfigured,
		"The connector %s cannot %s: it leads to another server than the one that was planned for. An operator must correct its address, or an administrator attest that the old server is gone.", d.name, doing)
}

// explain says what an error of the server means for who operates Curfew.
func explain(number uint16) (access.Kind, string) {
	switch number {
	case errTooManyConns, errTooManyUserConns, errUserLimit, errOutOfMemory, errDiskFull:
		return access.KindExhausted, "the server is out of connections, memory or disk."
	case errShutdown, errKilled, errConnectionKilled:
		return access.KindUnavailable, "the server is going down, or ended the session."
	case errLockWait, errDeadlock, errCannotUser:
		return access.KindUnavailable, "other changes kept coming first."
	case errTimeout, errStatementTimeout:
		return access.KindTimeout, "the server took too long."
	case errReadOnly, errReadOnlyServer:
		return access.KindMisconfigured, "the server is read-only. The address must lead to the primary."
	case errNoDatabase, errNoTable, errNoProcedure:
		return access.KindMisconfigured, "Curfew's schema or what a permission names is not there. An operator must run the statements of the connector's page, or change its permissions."
	case errAccessDenied, errHostDenied:
		return access.KindMisconfigured, "the server refuses the log-in of its account. An operator must correct user or password."
	case errInsecureTransport, errInsecureMariaDB:
		return access.KindMisconfigured, "the server wants TLS. An operator must set ca_file."
	case errDatabaseDenied, errPrivilege, errTableDenied, errColumnDenied, errProcedureDenied, errNoSuchGrant:
		return access.KindMisconfigured, "its account, or the owner of its procedures, lacks a privilege. An operator must grant it; the connector's page has the statements."
	}
	return access.KindInternal, "the server refused it."
}

// cause is what an operator may read: never a statement.
func cause(err error) error {
	if e, ok := errors.AsType[*protocol.MySQLError](err); ok && e.Number == errParse {
		return fmt.Errorf("error %d: a statement could not be read", e.Number)
	}
	return err
}
