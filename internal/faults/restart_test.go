package faults

import (
	"fmt"
	"testing"

	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestStoreRestarts ends the server of the books under two nodes, in the middle of their transactions: as a power failure
// would, and then as an administrator does.
func TestStoreRestarts(t *testing.T) {
	t.Parallel()
	for _, version := range []int{15, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			books := curfewdtest.StartPostgres(t, localpeer.PostgresOptions{Version: version, Fsync: true})
			w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: version}), store: books})
			w.addNode(curfewdtest.ProcessOptions{})
			w.addNode(curfewdtest.ProcessOptions{})
			l := w.startLoad()
			for _, end := range []func() error{books.Crash, func() error { return nil }, books.Crash} {
				l.more(12)
				w.holdTransactions()
				if err := end(); err != nil {
					t.Fatal(err)
				}
				// It ends what runs first, in the fast mode.
				if err := books.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.holdAgainstTheBooks()
			}
			l.more(12)
			l.finish()
			w.verdict()
		})
	}
}

// holdTransactions locks the log, so that transactions stand still before their commit, and returns when some do. They
// go on with release, or with the end of the server.
func (w *world) holdTransactions() (release func()) {
	w.Helper()
	conn := curfewdtest.Connect(w.T, w.storeDSN)
	if _, err := conn.Exec(w.ctx, "BEGIN; LOCK TABLE curfew.events IN ACCESS EXCLUSIVE MODE"); err != nil {
		w.Fatal(err)
	}
	const waiting = `SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
		WHERE NOT l.granted AND a.application_name = 'curfew' AND l.relation = 'curfew.events'::regclass`
	w.until("transactions wait", func() error {
		var n int
		if err := conn.QueryRow(w.ctx, waiting).Scan(&n); err != nil {
			return err
		}
		if n < 2 {
			return errNotYet
		}
		return nil
	})
	return func() {
		if _, err := conn.Exec(w.ctx, "ROLLBACK"); err != nil {
			w.Fatal(err)
		}
	}
}
