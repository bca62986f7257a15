package faults

import (
	"testing"

	"github.com/curfewhq/curfew/internal/curfewdtest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// killRounds is how often a node is killed under load.
const killRounds = 5

// TestKilledOnSQLite kills the only node under load, looks at what it left while nothing runs, and starts another.
func TestKilledOnSQLite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{target: curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 15})})
	n := w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	for range killRounds {
		l.more(12)
		n.process().Kill()
		w.holdAgainstTheBooks()
		n.start()
	}
	l.more(12)
	l.finish()
	w.verdict()
}

// TestKilledOnPostgres kills one of two nodes after the other, while the other goes on.
func TestKilledOnPostgres(t *testing.T) {
	t.Parallel()
	target := curfewdtest.StartTarget(t, localpeer.PostgresOptions{Version: 18})
	w := newWorld(t, plan{target: target, store: target.Postgres})
	w.addNode(curfewdtest.ProcessOptions{})
	w.addNode(curfewdtest.ProcessOptions{})
	l := w.startLoad()
	for round := range killRounds {
		l.more(12)
		n := w.nodes[round%2]
		n.process().Kill()
		l.more(6)
		w.holdAgainstTheBooks()
		n.start()
	}
	l.more(12)
	l.finish()
	w.verdict()
}
