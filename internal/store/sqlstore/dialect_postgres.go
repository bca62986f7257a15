package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/curfewhq/curfew/internal/access"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// postgresNow is the one clock of all nodes, in microseconds. It is read at the beginning of a transaction, in the same
// round trip.
const postgresNow = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// postgresDialect is PostgreSQL. Updates are serialisable, because what calls the store was written for transactions
// that run one after the other: it counts the reviews of a request and adds one, and looks for a freeze before it
// activates. Row locks and compare-and-swap alone would let two of those pass each other by.
func postgresDialect() (dialect, error) {
	migrations, err := fs.Sub(postgresMigrations, "migrations/postgres")
	if err != nil {
		return dialect{}, fmt.Errorf("embedded migrations: %w", err)
	}
	return dialect{
		goose:        goose.DialectPostgres,
		migrations:   migrations,
		beginUpdate:  "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; " + postgresNow,
		beginView:    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + postgresNow,
		lockDue:      " FOR UPDATE SKIP LOCKED",
		among:        " = ANY (ARRAY(SELECT json_array_elements_text($2)))",
		elements:     "json_array_elements_text($2)",
		beginErasing: "SELECT set_config('curfew.erasing', 'on', TRUE)",
		endErasing:   "SELECT set_config('curfew.erasing', '', TRUE)",
		dictionary:   postgresDictionary(),
		classify:     classifyPostgres,
	}, nil
}

// Conditions by SQLSTATE (PostgreSQL's appendix A); refusedState is what our own triggers raise.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	refusedState         = "CF001"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	readOnlyTransaction  = "25006"
	idleInTransaction    = "25P03"
	transactionTimeout   = "25P04"
	noPrivilege          = "42501"
	undefinedTable       = "42P01"
	undefinedSchema      = "3F000"
	undefinedDatabase    = "3D000"
)

// overtaken reports whether the transaction failed without a trace only because another one was at the same rows. All
// inserts that may meet a row that is there already say ON CONFLICT, so a violated key is a race as well.
func overtaken(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == serializationFailure || e.Code == deadlockDetected || e.Code == uniqueViolation)
}

// onTheWay reports whether an error that the server did not send happened on the way to it or back.
func onTheWay(err error) bool {
	_, dialling := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return dialling || network || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// classifyPostgres reads the condition of a server's error.
func classifyPostgres(err error) (access.Kind, string) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok && onTheWay(err):
		return access.KindUnavailable, "The store's server cannot be reached, or does not answer; try again."
	case !ok:
		return access.KindInternal, unforeseen
	}
	switch e.Code {
	case foreignKeyViolation:
		return access.KindNotFound, "What this refers to is not there."
	case refusedState:
		return access.KindConflict, "The state of this does not allow the change; read it again."
	case serializationFailure, deadlockDetected, uniqueViolation:
		return access.KindUnavailable, "Other changes to the same things kept coming first; try again."
	case idleInTransaction, transactionTimeout:
		return access.KindUnavailable, "The store's server gave up a transaction in which nothing happened for too long; try again."
	case lockNotAvailable, queryCanceled:
		return access.KindUnavailable, "The store's server took too long; try again."
	case readOnlyTransaction:
		return access.KindUnavailable, "The store's server is read-only: its connection string must lead to the primary."
	case noPrivilege, undefinedTable, undefinedSchema:
		return access.KindMisconfigured, "The store's account does not own its schema, or the schema is not there: docs/store.md has the statements that make both."
	case undefinedDatabase:
		return access.KindMisconfigured, "The database of the store's connection string does not exist: create it, as in docs/store.md."
	}
	return classifyClass(e.Code[:min(2, len(e.Code))])
}

func classifyClass(class string) (access.Kind, string) {
	switch class {
	case "22", "23", "54":
		return access.KindInvalid, "The store refuses this value: it is missing, out of bounds or of the wrong type."
	case "28":
		return access.KindMisconfigured, "The store's server refuses the log-in: correct the account or its password in the connection string."
	case "53":
		return access.KindUnavailable, "The store's server is out of connections, memory or disk."
	case "08", "57", "58":
		return access.KindUnavailable, "The store's server is going down, starting up or broken; try again."
	case "XX":
		return access.KindUnavailable, "The store's data is damaged, or its server has a defect: look at the server's log."
	}
	return access.KindInternal, unforeseen
}
