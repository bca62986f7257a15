package simulation

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
)

// freeze forbids somebody, or all, or the connector, to have anything.
func (w *World) freeze(n *node) {
	order := one(w.choose, []engine.FreezeOrder{
		{Principal: id(enginetest.Alice)}, {Connector: connectorName}, {Everything: true},
	})
	who := one(w.choose, administrators())
	w.call(n, who, fmt.Sprintf("freezes %+v", order), func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Freeze(ctx, w.people.who(who), order, "laptop stolen")
		return err
	})
}

// unfreeze lifts a freeze.
func (w *World) unfreeze(n *node) {
	f := one(w.choose, w.seen.freezes)
	who := one(w.choose, administrators())
	w.call(n, who, fmt.Sprintf("lifts %s", f.ID), func(ctx context.Context, e *engine.Engine) error {
		return e.Unfreeze(ctx, w.people.who(who), f.ID, "laptop found")
	})
}

// sweep carries out freezes.
func (w *World) sweep(n *node) {
	w.call(n, "sweep", "carries out freezes", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Sweep(ctx)
		return err
	})
}

// attest says of an overdue grant that its target is no more. That is a lie here, and the engine believes it.
func (w *World) attest(n *node) {
	g, ok := pickOf(w.choose, w.seen.grants, w.isOverdue)
	if !ok {
		return
	}
	who := one(w.choose, administrators())
	w.call(n, who, fmt.Sprintf("attests to %s", g.ID), func(ctx context.Context, e *engine.Engine) error {
		_, _, err := e.Attest(ctx, w.people.who(who), g.ID, "the target is scrap")
		return err
	})
}

// reload has a node read its configuration again. It says the same as before, and every decision under way is lost.
func (w *World) reload(n *node) {
	w.call(n, "reload", "reads the configuration", func(ctx context.Context, e *engine.Engine) error {
		return e.Reload(ctx, n.rules)
	})
}

// reconsider decides grants again.
func (w *World) reconsider(n *node) {
	w.call(n, "reconsider", "decides grants again", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.Reconsider(ctx)
		return err
	})
}
