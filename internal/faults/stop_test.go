package faults

import (
	"syscall"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// TestStopped stops one of two nodes where it stands, in the middle of its transactions and of its orders, until the
// other has brought everything to its end that was there; then it wakes up, and believes that no time has passed.
func TestStopped(t *testing.T) {
	t.Parallel()
	target := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18})
	w := newWorld(t, plan{target: target, store: curfewdtest.StartPostgres(t, localpeer.PostgresOptions{Version: 15})})
	sleeper, other := w.addNode(curfewdtest.ProcessOptions{}), w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	l.more(24)
	release := w.holdTransactions()
	p := sleeper.process()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Signal(syscall.SIGCONT) }) // or it could not be stopped in peace
	release()
	l.more(12)
	w.untilTakenOver(other)
	w.holdAgainstTheBooks()
	w.silentTransactionsEnd()
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	l.more(24)
	l.finish()
	w.verdict()
}

// silentTransactionsEnd waits until the server of the books has given up the transactions of the node that is stopped, so
// that it wakes up in the middle of what does not exist any more.
func (w *world) silentTransactionsEnd() {
	w.Helper()
	conn := curfewdtest.Connect(w.T, w.storeDSN)
	const silent = `SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'curfew' AND state = 'idle in transaction' AND state_change < now() - interval '5s'`
	w.until("silent transactions are given up", func() error {
		var n int
		if err := conn.QueryRow(w.ctx, silent).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return errNotYet
		}
		return nil
	})
}

// untilTakenOver waits until a node has brought to its end what is there now; long access is given back.
func (w *world) untilTakenOver(by *node) {
	w.Helper()
	var before []client.Grant
	w.until("there is something to take over", func() (err error) {
		if before, err = w.listUnended(by); err == nil && len(before) == 0 {
			err = errNotYet
		}
		return err
	})
	var ids []access.GrantID
	for _, g := range before {
		ids = append(ids, access.GrantID(g.ID))
	}
	w.until("the other node takes over", func() error {
		for _, g := range before {
			if g.Duration == "1h0m0s" && g.EndReason == "" {
				_ = person{w: w, node: by}.giveBack(access.GrantID(g.ID))
			}
		}
		return w.ended(by, ids)
	})
}
