package postgres

import (
	"context"
	_ "embed" // the functions are files
	"encoding/json"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// The functions, one subject each. Each session of the pool makes them anew, in its temporary schema: there they are
// compiled and planned once, nobody else can call or replace them, and they go with the session. All that varies is the
// one parameter of a call, a JSON object; so a whole order is one round trip and one transaction, and no statement ever
// holds a verifier.
var (
	//go:embed sql/find.sql
	findFunction string
	//go:embed sql/grant.sql
	grantFunction string
	//go:embed sql/extend.sql
	extendFunction string
	//go:embed sql/end.sql
	endFunction string
	//go:embed sql/close.sql
	closeFunction string
	//go:embed sql/close_all.sql
	closeAllFunction string
	//go:embed sql/drop_all.sql
	dropAllFunction string
	//go:embed sql/holders.sql
	holdersFunction string
	//go:embed sql/join.sql
	joinFunctions string
	//go:embed sql/add.sql
	addFunction string
	//go:embed sql/remove.sql
	removeFunction string
	//go:embed sql/cut.sql
	cutFunction string
)

// The calls of the functions.
const (
	callGrant    = `SELECT pg_temp.curfew_grant($1)`
	callExtend   = `SELECT pg_temp.curfew_extend($1)`
	callEnd      = `SELECT pg_temp.curfew_end($1)`
	callClose    = `SELECT pg_temp.curfew_close($1)`
	callCloseAll = `SELECT pg_temp.curfew_close_all($1)`
	callDropAll  = `SELECT pg_temp.curfew_drop_all($1)`
	callHolders  = `SELECT pg_temp.curfew_holders($1)`
	callJoin     = `SELECT pg_temp.curfew_join($1)`
	callLeave    = `SELECT pg_temp.curfew_leave($1)`
	callAdd      = `SELECT pg_temp.curfew_add($1)`
	callRemove   = `SELECT pg_temp.curfew_remove($1)`
	callCut      = `SELECT pg_temp.curfew_cut($1)`
)

const (
	// concurrentTries bounds how often a transaction is tried that others get in the way of.
	concurrentTries = 6
	// deniedTries bounds how often it is tried when a privilege is lacking. A role that goes and comes again between two
	// statements takes our membership in it with it, which looks like a privilege that we never had.
	deniedTries = 3
)

// makeFunctions makes a new session ready for log-ins of their own.
func makeFunctions(ctx context.Context, conn *pgx.Conn) error {
	all := findFunction + grantFunction + extendFunction + endFunction + closeFunction + closeAllFunction + dropAllFunction +
		holdersFunction + joinFunctions
	_, err := conn.Exec(ctx, all, pgx.QueryExecModeSimpleProtocol)
	return err
}

// makeMembershipFunctions makes a new session ready for memberships.
func makeMembershipFunctions(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, addFunction+removeFunction+cutFunction, pgx.QueryExecModeSimpleProtocol)
	return err
}

// call calls a function and reads its result. A transaction that another one got in the way of is tried again.
func call(ctx context.Context, q querier, function string, argument, result any) error {
	denied := 0
	once := func() (struct{}, error) {
		err := callOnce(ctx, q, function, argument, result)
		again := concurrent(err)
		if sqlState(err) == statePermissionDenied {
			denied++
			again = denied < deniedTries
		}
		if err != nil && !again {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 2 * time.Millisecond
	wait.MaxInterval = 50 * time.Millisecond
	_, err := backoff.Retry(ctx, once, backoff.WithBackOff(wait), backoff.WithMaxTries(concurrentTries))
	return err
}

// querier is a pool or a connection.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// callOnce calls a function once, where it was made.
func callOnce(ctx context.Context, q querier, function string, argument, result any) error {
	text, err := json.Marshal(argument)
	if err != nil {
		return err
	}
	var answer []byte
	if err := q.QueryRow(ctx, function, string(text)).Scan(&answer); err != nil {
		return err
	}
	return json.Unmarshal(answer, result)
}
