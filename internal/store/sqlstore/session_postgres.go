package sqlstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// postgresSession is a connection in a transaction. The context bounds the whole of it: a statement that is interrupted
// takes its connection along.
type postgresSession struct {
	ctx  context.Context
	conn *pgx.Conn
}

func (s postgresSession) exec(text string, args ...any) (int64, error) {
	tag, err := s.conn.Exec(s.ctx, text, args...)
	return tag.RowsAffected(), err
}

func (s postgresSession) query(text string, args ...any) (rows, error) {
	r, err := s.conn.Query(s.ctx, text, args...)
	return postgresRows{r}, err
}

// postgresRows are rows that say what went wrong when they are closed, as those of database/sql do.
type postgresRows struct{ pgx.Rows }

// Close returns the error of the whole query.
func (r postgresRows) Close() error {
	r.Rows.Close()
	return r.Err()
}
