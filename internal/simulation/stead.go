package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// maxDelegations is how many stand at a time: with more of them everybody reviews for everybody.
const maxDelegations = 3

// delegate has somebody review in the stead of somebody else, now or in a moment, and for no longer than what they agree to may
// wait to begin.
func (w *World) delegate(n *node) {
	absent := one(w.choose, []string{enginetest.Bob, enginetest.Dave, enginetest.Erin, grace, enginetest.AliceAdmin, enginetest.Carol})
	to := one(w.choose, []string{enginetest.Mallory, frank, enginetest.Alice, enginetest.Olga, enginetest.Dave})
	o := engine.DelegationOrder{To: id(to), Reason: "on leave"}
	begin := w.storeClock.Now()
	if w.choose.chance(20) {
		begin = begin.Add(w.choose.span(100, 10*time.Second))
		o.From = begin
	}
	o.Until = begin.Add(one(w.choose, []time.Duration{time.Minute, 10 * time.Second, 3 * time.Second, time.Hour}))
	w.call(n, absent, fmt.Sprintf("has %s review until %s", to, o.Until.Sub(w.trace.begin)), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Delegate(ctx, w.people.who(absent), o)
		return err
	})
}

// undelegate ends a delegation early.
func (w *World) undelegate(n *node) {
	d, ok := pickOf(w.choose, w.seen.delegations, w.stands)
	if !ok {
		return
	}
	who := one(w.choose, []string{d.Absent.Subject, d.Delegate.Subject, enginetest.Carol})
	w.call(n, who, fmt.Sprintf("ends %s", d.ID), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.EndDelegation(ctx, w.people.who(who), d.ID)
		return err
	})
}

func (w *World) stands(d access.Delegation) bool { return d.Stands(w.storeClock.Now()) }
