package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// sqliteSession is one connection with its prepared statements.
//
// Statements run under no caller's context: an interrupted statement in a transaction that others share would take
// theirs along. Every statement of this package is bounded instead.
type sqliteSession struct {
	conn *sql.Conn
	// statements by text. The texts are constants or put together from few parts, so the map is bounded by the code.
	statements map[string]*sql.Stmt
}

func newSQLiteSession(ctx context.Context, db *sql.DB) (*sqliteSession, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &sqliteSession{conn: conn, statements: make(map[string]*sql.Stmt)}, nil
}

// statement prepares a text once: preparing takes longer than running most of them.
func (s *sqliteSession) statement(text string) (*sql.Stmt, error) {
	if stmt, ok := s.statements[text]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	s.statements[text] = stmt
	return stmt, nil
}

func (s *sqliteSession) exec(text string, args ...any) (int64, error) {
	stmt, err := s.statement(text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *sqliteSession) query(text string, args ...any) (rows, error) {
	stmt, err := s.statement(text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.Background(), args...)
}

// close finalises the statements first: SQLite keeps a connection open, and its log unmerged, as long as one is left.
func (s *sqliteSession) close() error {
	var errs []error
	for _, stmt := range s.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}
