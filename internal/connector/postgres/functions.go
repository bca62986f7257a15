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
)

// The calls of the functions.
const (
	callGrant  = `SELECT pg_temp.curfew_grant($1)`
	callExtend = `SELECT pg_temp.curfew_extend($1)`
	callEnd    = `SELECT pg_temp.curfew_end($1)`
	callClose  = `SELECT pg_temp.curfew_close($1)`
)

const (
	// concurrentTries bounds how often a transaction is tried that others get in the way of.
	concurrentTries = 6
	// deniedTries bounds how often it is tried when a privilege is lacking. A role that goes and comes again between two
	// statements takes our membership in it with it, which looks like a privilege that we never had.
	deniedTries = 3
)

// makeFunctions makes a new session ready.
func makeFunctions(ctx context.Context, conn *pgx.Conn) error {
	all := findFunction + grantFunction + extendFunction + endFunction + closeFunction
	_, err := conn.Exec(ctx, all, pgx.QueryExecModeSimpleProtocol)
	return err
}

// call calls a function and reads its result. A transaction that another one got in the way of is tried again.
func (d *driver) call(ctx context.Context, call string, order, result any) error {
	argument, err := json.Marshal(order)
	if err != nil {
		return err
	}
	denied := 0
	once := func() ([]byte, error) {
		var answer []byte
		err := d.pool.QueryRow(ctx, call, string(argument)).Scan(&answer)
		again := concurrent(err)
		if sqlState(err) == statePermissionDenied {
			denied++
			again = denied < deniedTries
		}
		if err != nil && !again {
			err = backoff.Permanent(err)
		}
		return answer, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 2 * time.Millisecond
	wait.MaxInterval = 50 * time.Millisecond
	answer, err := backoff.Retry(ctx, once, backoff.WithBackOff(wait), backoff.WithMaxTries(concurrentTries))
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, result)
}
