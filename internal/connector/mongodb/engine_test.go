package mongodb

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// together is how many grants end at once in TestEndTogether. 500 are for a look by hand.
var together = flag.Int("together", 60, "how many grants TestEndTogether ends at once")

func newCompany(t *testing.T, p *peer, o ...enginetest.Option) *enginetest.World {
	t.Helper()
	return enginetest.New(t, append(o, enginetest.WithTimeout(20*time.Second), enginetest.WithConnector(func() (connector.Type, connector.Driver) {
		return Type(), p.open(t)
	}))...)
}

// TestEndTogether lets many grants end at one moment, on two nodes. How late they are is for who reads the log.
func TestEndTogether(t *testing.T) {
	p := start(t)
	before := p.snapshot(t)
	clock := &enginetest.LeapClock{}
	late := enginetest.EndTogether(t, newCompany(t, p, enginetest.WithClock(clock)), clock, *together)
	if after := p.snapshot(t); after != before {
		t.Errorf("the server has changed:\n%s\nwas\n%s", after, before)
	}
	t.Logf("%d grants, two nodes, after the deadline: p50 %v, p99 %v, max %v", len(late), late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
}

// TestUserOfALostGrant: the books are older than the server. What bears our mark and no grant explains goes; another
// installation's stays.
func TestUserOfALostGrant(t *testing.T) {
	p := start(t)
	w, theirs := newCompany(t, p), newCompany(t, p)
	lost := w.Restored()
	g := lost.Obtain(t, lost.Engine, enginetest.Alice, enginetest.Read)
	other := theirs.Obtain(t, theirs.Engine, enginetest.Alice, enginetest.Read)
	w.Compare(t)
	kinds := map[access.FindingKind]access.FindingState{}
	for _, f := range w.Findings(t) {
		kinds[f.Kind] = f.State
	}
	if kinds[access.FindingOrphan] != access.FindingRemoved || kinds[access.FindingForeign] != access.FindingOpen || len(kinds) != 2 {
		t.Errorf("the findings are %v", kinds)
	}
	lost.Compare(t)
	enginetest.WantEnd(t, lost.Grant(t, g.ID), access.EndRemovedAtTarget, "")
	if g := theirs.Grant(t, other.ID); g.State != access.GrantActive {
		t.Errorf("the other installation's grant is %s (%s)", g.State, g.EndReason)
	}
	if s := p.snapshot(t); strings.Count(s, `"user": "curfew_alice_`) != 1 {
		t.Errorf("the server has\n%s", s)
	}
}
