package sqlstore

import (
	"context"
	"os"
)

// rebuiltAtMost is the size in bytes of the largest file that is rebuilt when somebody was forgotten. It takes a second for
// each 100 MB or so, in which nobody writes; docs/audit.md says what to do about a larger one.
const rebuiltAtMost = 64 << 20

// scrub sees to it that what was erased is left nowhere in the store's files. SQLite overwrites what is deleted, but two
// copies stay: one in the write-ahead log until that is folded into the file, and parts in the unused middle of pages that
// were split.
type scrub struct {
	path string
	// due says that something was erased since the log was emptied last.
	due bool
	// rebuild says that an erasure has come to its end since the file was rebuilt last.
	rebuild bool
}

// note takes up what a transaction has erased.
func (s *scrub) note(t *tx) {
	s.due = s.due || t.erased
	s.rebuild = s.rebuild || t.erasedLast
}

// run rebuilds a file that is small, and empties the log if nobody reads an older snapshot. It waits for nobody: while
// somebody does, or the disk fails, it stays due, and is tried again behind the next commit, or done when the store is closed.
func (s *scrub) run(session *sqliteSession) {
	if !s.due {
		return
	}
	// These take effect when they are prepared, or must not be kept prepared, so they are none of the session's statements.
	control := func(text string) bool {
		_, err := session.conn.ExecContext(context.Background(), text)
		return err == nil
	}
	if s.rebuild && s.small() {
		s.rebuild = !control("VACUUM")
	}
	if control("PRAGMA busy_timeout = 0") {
		s.due = !emptyLog(session) || (s.rebuild && s.small())
		_ = control("PRAGMA busy_timeout = 5000")
	}
}

func (s *scrub) small() bool {
	info, err := os.Stat(s.path)
	return err == nil && info.Size() <= rebuiltAtMost
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
