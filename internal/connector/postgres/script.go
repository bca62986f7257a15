package postgres

import (
	"context"
	_ "embed" // the scripts are files
	"encoding/json"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// The scripts, one subject each. A script is a DO block: it reads its argument, a JSON object, from the setting
// curfew.order and adds to the JSON object in curfew.result. So all that varies is a parameter, a whole order is one
// round trip, and neither log_statement nor pg_stat_activity shows a verifier.
var (
	//go:embed sql/grant.sql
	grantScript string
	//go:embed sql/extend.sql
	extendScript string
	//go:embed sql/close.sql
	closeScript string
	//go:embed sql/end.sql
	endScript string
	//go:embed sql/tidy.sql
	tidyScript string
)

const (
	setOrder  = `SELECT set_config('curfew.order', $1, true), set_config('curfew.result', '{}', true)`
	getResult = `SELECT current_setting('curfew.result')`

	// concurrentTries bounds how often a transaction is tried that others get in the way of.
	concurrentTries = 6
)

// querier is a connection or a pool of them.
type querier interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// run runs the scripts in one round trip, as one transaction, and reads their result. A transaction that another one got
// in the way of is tried again.
func run(ctx context.Context, q querier, order, result any, scripts ...string) error {
	argument, err := json.Marshal(order)
	if err != nil {
		return err
	}
	once := func() (struct{}, error) {
		err := runOnce(ctx, q, argument, result, scripts)
		if err != nil && !concurrent(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 2 * time.Millisecond
	wait.MaxInterval = 50 * time.Millisecond
	_, err = backoff.Retry(ctx, once, backoff.WithBackOff(wait), backoff.WithMaxTries(concurrentTries))
	return err
}

// runOnce sends everything up to one Sync: without BEGIN, that is one transaction.
func runOnce(ctx context.Context, q querier, argument []byte, result any, scripts []string) error {
	var b pgx.Batch
	b.Queue(setOrder, string(argument))
	for _, script := range scripts {
		b.Queue(script)
	}
	var text string
	b.Queue(getResult).QueryRow(func(row pgx.Row) error { return row.Scan(&text) })
	if err := q.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), result)
}
