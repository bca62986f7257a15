package redis

import (
	"fmt"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/enginetest"
)

func company(t *testing.T, p *peer) *enginetest.World {
	t.Helper()
	return enginetest.New(t, enginetest.WithTimeout(20*time.Second), enginetest.WithConnector(func() (connector.Type, connector.Driver) {
		return Type(), p.open(t)
	}))
}

// Many grants end at one instant, on two nodes.
func TestManyEndAtOnce(t *testing.T) {
	const n = 40
	p := start(t)
	before := p.snapshot(t)
	w := company(t, p)
	var grants []access.GrantID
	for range n {
		grants = append(grants, w.Obtain(t, w.Engine, enginetest.Alice, enginetest.Read).ID)
	}
	if p.snapshot(t) == before {
		t.Fatal("there is nothing to end")
	}
	for _, id := range grants {
		if _, err := w.Engine.Return(t.Context(), w.Who(enginetest.Alice), id); err != nil {
			t.Fatal(err)
		}
	}
	other := w.Node()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Settle(other)
	}()
	w.Settle(w.Engine)
	<-done
	for _, id := range grants {
		enginetest.WantEnd(t, w.Grant(t, id), access.EndReturned, "")
	}
	if after := p.snapshot(t); after != before {
		t.Errorf("after all ends:\n%s", after)
	}
}

// A restart takes users away, and a file of users that was written while they lived brings them back.
func TestRestart(t *testing.T) {
	p := start(t)
	p.do(t, "ACL DELUSER standing") // who is in no file
	before := p.names(t)
	w := company(t, p)
	lost := w.Obtain(t, w.Engine, enginetest.Alice, enginetest.Read)
	p.restart(t)
	for range 2 {
		w.Compare(t)
	}
	enginetest.WantEnd(t, w.Grant(t, lost.ID), access.EndRemovedAtTarget, "")

	saved := w.Obtain(t, w.Engine, enginetest.Alice, enginetest.Read)
	p.do(t, "ACL SAVE")
	enginetest.WantEnd(t, w.GiveBack(t, w.Engine, enginetest.Alice, saved.ID), access.EndReturned, "")
	p.restart(t)
	if p.names(t) == before {
		t.Fatal("the restart brought nothing back")
	}
	found := w.Compare(t)
	if found.Opened != 1 || found.Gone != 1 {
		t.Errorf("the comparison is %+v", found)
	}
	all := w.Findings(t)
	if len(all) != 1 || all[0].Kind != access.FindingAfterEnd || all[0].State != access.FindingRemoved || all[0].Grant != saved.ID {
		t.Errorf("the findings are %+v", all)
	}
	if after := p.names(t); after != before {
		t.Errorf("after the comparison the users are %s", after)
	}
}

// names are those of all users.
func (p *peer) names(t testing.TB) string {
	t.Helper()
	return fmt.Sprint(p.do(t, "ACL USERS"))
}

func (p *peer) restart(t testing.TB) {
	t.Helper()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}
