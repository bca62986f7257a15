package mysql

import (
	"flag"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// together is how many grants end at once in TestEndTogether. 500 are for a look by hand.
var together = flag.Int("together", 60, "how many grants TestEndTogether ends at once")

// newCompany is an engine in front of the server.
func newCompany(t *testing.T, p *peer, options ...enginetest.Option) *enginetest.World {
	t.Helper()
	return enginetest.New(t, append(options, enginetest.WithTimeout(20*time.Second),
		enginetest.WithConnector(func() (connector.Type, connector.Driver) { return Type(), p.open(t) }))...)
}

// TestEndTogether lets many grants end at one moment, on two nodes. How late they are is for who reads the log.
func TestEndTogether(t *testing.T) {
	p := start(t)
	before := p.snapshot(t)
	clock := &enginetest.LeapClock{}
	w := newCompany(t, p, enginetest.WithClock(clock))
	late := enginetest.EndTogether(t, w, clock, *together)
	n := len(late)
	t.Logf("%d grants on two nodes: read back as gone %v, %v (p99) and %v (last) after their end", n, late[n/2], late[n*99/100], late[n-1])
	if after := p.snapshot(t); after != before {
		t.Errorf("something is left:\n%s", after)
	}
}

// accounts counts the accounts of grants.
func (p *peer) accounts(t testing.TB) string {
	t.Helper()
	return p.rows(t, `SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'c\\_%'`)[0][0]
}

// TestTwoInstallationsOnOneServer lets each compare the server with its own books.
func TestTwoInstallationsOnOneServer(t *testing.T) {
	p := start(t)
	ours, theirs := newCompany(t, p), newCompany(t, p)
	mine, other := ours.Obtain(t, ours.Engine, enginetest.Alice, enginetest.Read), theirs.Obtain(t, theirs.Engine, enginetest.Alice, enginetest.Read)
	for range 2 {
		ours.Compare(t)
		theirs.Compare(t)
	}
	for w, id := range map[*enginetest.World]access.GrantID{ours: mine.ID, theirs: other.ID} {
		if g := w.Grant(t, id); g.State != access.GrantActive {
			t.Errorf("grant %s is %s (%s)", id, g.State, g.EndReason)
		}
		if all := w.Findings(t); len(all) != 1 || all[0].Kind != access.FindingForeign || all[0].State != access.FindingOpen {
			t.Errorf("the findings are %+v", all)
		}
	}
	if n := p.accounts(t); n != "2" {
		t.Errorf("%s accounts at the server, want 2", n)
	}
	enginetest.WantEnd(t, theirs.GiveBack(t, theirs.Engine, enginetest.Alice, other.ID), access.EndReturned, "")
	ours.Compare(t)
	if all := ours.Findings(t); len(all) != 1 || all[0].State != access.FindingRemoved {
		t.Errorf("after their grant our findings are %+v", all)
	}
}

// TestAccountOfALostGrant: the books are older than the server. What bears our mark and no grant explains goes.
func TestAccountOfALostGrant(t *testing.T) {
	p := start(t)
	w := newCompany(t, p)
	lost := w.Restored()
	g := lost.Obtain(t, lost.Engine, enginetest.Alice, enginetest.Read)
	if found := w.Compare(t); found.Opened != 1 || found.Gone != 1 {
		t.Errorf("the comparison is %+v", found)
	}
	if n := p.accounts(t); n != "0" {
		t.Errorf("%s accounts are left", n)
	}
	lost.Compare(t)
	enginetest.WantEnd(t, lost.Grant(t, g.ID), access.EndRemovedAtTarget, "")
}
