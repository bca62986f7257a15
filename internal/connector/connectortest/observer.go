package connectortest

import (
	"sync"

	"github.com/curfewhq/curfew/internal/connector"
)

func observerCases() []Case {
	return []Case{
		{Name: "an observer without sight never says absent", needs: []Capability{ownObject, Blind}, run: blindIsNotAbsent},
	}
}

func blindIsNotAbsent(l *law) {
	live, ended := l.give(l.order(l.h.Entitlement)), l.give(l.order(l.h.Entitlement))
	l.revoke(ended)
	l.wantState(live, connector.Present, "with sight")
	l.wantState(ended, connector.Absent, "with sight")

	back := sync.OnceFunc(l.h.Blind(l.TB))
	l.Cleanup(back)
	for name, g := range map[string]granted{"a live grant": live, "an ended grant": ended} {
		// An error is as good as unknown: it does not end a grant either.
		p, err := l.d.Observe(l.ctx(), bare(l.again(g.order)), g.plan)
		if err == nil && p.State() != connector.Unknown {
			l.Errorf("without sight Observe says of %s that it is %s, want unknown (%+v)", name, p.State(), p)
		}
	}
	back()
	l.wantState(live, connector.Present, "with sight again")
	l.wantState(ended, connector.Absent, "with sight again")
}
