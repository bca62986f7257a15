package mongodbatlas

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// TestThroughTheEngine leads a grant of each of two installations through the engine: each removes its own and no other's.
func TestThroughTheEngine(t *testing.T) {
	e, server := startEmulated(t)
	company := func() *enginetest.World {
		return enginetest.New(t, enginetest.WithClock(e.clock), enginetest.WithTimeout(20*time.Second),
			enginetest.WithConnector(func() (connector.Type, connector.Driver) { return Type(), e.open(t, server.URL) }))
	}
	ours, theirs := company(), company()
	lost := ours.Restored()
	orphan := lost.Obtain(t, lost.Engine, enginetest.Alice, enginetest.Read)
	kept := theirs.Obtain(t, theirs.Engine, enginetest.Alice, enginetest.Read)
	ours.Compare(t)
	kinds := map[access.FindingKind]access.FindingState{}
	for _, f := range ours.Findings(t) {
		kinds[f.Kind] = f.State
	}
	if kinds[access.FindingOrphan] != access.FindingRemoved || kinds[access.FindingForeign] != access.FindingOpen || len(kinds) != 2 {
		t.Errorf("the findings are %v", kinds)
	}
	if s := e.snapshot(t); strings.Contains(s, string(orphan.ID)) || !strings.Contains(s, string(kept.ID)) {
		t.Errorf("the users are %s", s)
	}
	// The status of a cluster may not show yet that a change is to come: one read that it is applied is not enough.
	if g := theirs.GiveBack(t, theirs.Engine, enginetest.Alice, kept.ID); g.State != access.GrantRevoking {
		t.Errorf("right after the first read the grant is %s", g.State)
	}
	e.clock.pass(e.clock.Now().Add(settle + time.Second))
	theirs.Settle(theirs.Engine)
	enginetest.WantEnd(t, theirs.Grant(t, kept.ID), access.EndReturned, "")
	if s := e.snapshot(t); s != "" {
		t.Errorf("left is %s", s)
	}
}
