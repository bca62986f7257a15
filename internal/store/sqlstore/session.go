package sqlstore

import "database/sql"

// session is one connection to the database, in a transaction. It is used by one goroutine at a time.
type session interface {
	// exec runs a statement and returns the number of rows that it wrote.
	exec(text string, args ...any) (int64, error)
	query(text string, args ...any) (rows, error)
}

// row is what a scan function reads from.
type row interface{ Scan(dst ...any) error }

// rows are the answer to a query. They are closed before the next statement.
type rows interface {
	row
	Next() bool
	Err() error
	Close() error
}

var _ rows = (*sql.Rows)(nil)
