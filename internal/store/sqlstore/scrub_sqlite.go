package sqlstore

import "context"

// scrub folds the write-ahead log into the file and empties it once something was erased: what was overwritten in the file
// stays in the log until then.
type scrub struct {
	// due says that something was erased since the log was emptied last.
	due bool
}

// run empties the log if that is due and nobody reads an older snapshot. It waits for nobody: while somebody does, or the
// disk fails, it stays due, and is tried again behind the next commit, or done when the store is closed.
func (s *scrub) run(session *sqliteSession) {
	if !s.due {
		return
	}
	// These pragmas take effect when they are prepared, so they are none of the session's statements, which are prepared once.
	if _, err := session.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 0"); err != nil {
		return
	}
	s.due = !emptyLog(session)
	_, _ = session.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = 5000")
}

// emptyLog reports whether nothing is left in the log.
func emptyLog(session *sqliteSession) bool {
	rows, err := session.query("PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return false
	}
	defer func() { _ = rows.Close() }()
	var busy, pages, done int
	return rows.Next() && rows.Scan(&busy, &pages, &done) == nil && busy == 0 && rows.Err() == nil
}
