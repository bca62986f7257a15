package mysql

import (
	"context"
	"database/sql"
	"errors"
)

// errEnough ends a reading early.
var errEnough = errors.New("enough was read")

// each calls f for each row of an answer. It reads the answer to its end while ctx can still cut that short: the driver
// library closes rows by reading what is left of them, however long the server takes.
func each(ctx context.Context, pool *sql.DB, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := pool.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	for rows.NextResultSet() {
		continue // the answer to CALL ends with a result without rows
	}
	return rows.Err()
}

// one reads the one row of an answer; none is sql.ErrNoRows.
func one(ctx context.Context, pool *sql.DB, query string, args []any, into ...any) error {
	found := false
	err := each(ctx, pool, query, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(into...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}
