package memory

import (
	"context"
	"iter"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// broken is a driver whose calls can be replaced one by one. Those that are not are the memory driver's.
type broken struct {
	connector.Driver
	target *Target

	check    func(context.Context) (connector.Health, error)
	discover func(context.Context) iter.Seq2[access.Resource, error]
	prepare  func(context.Context, connector.Order) (access.Plan, error)
	grant    func(context.Context, connector.Order, access.Plan) (connector.Outcome, error)
	extend   func(context.Context, connector.Order, access.Plan) error
	revoke   func(context.Context, connector.Order, access.Plan) (connector.Removal, error)
	observe  func(context.Context, connector.Order, access.Plan) (connector.Presence, error)
	list     func(context.Context) iter.Seq2[access.Sighting, error]
}

// breakDriver plants a bug in every driver that the harness opens.
func breakDriver(damage func(b *broken)) func(*connectortest.Harness, *Target) {
	return func(h *connectortest.Harness, target *Target) {
		open := h.Open
		h.Open = func(t testing.TB) connector.Driver {
			b := &broken{Driver: open(t), target: target}
			damage(b)
			return b
		}
	}
}

func (b *broken) Check(ctx context.Context) (connector.Health, error) {
	if b.check != nil {
		return b.check(ctx)
	}
	return b.Driver.Check(ctx)
}

func (b *broken) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	if b.discover != nil {
		return b.discover(ctx)
	}
	return b.Driver.Discover(ctx)
}

func (b *broken) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	if b.prepare != nil {
		return b.prepare(ctx, o)
	}
	return b.Driver.Prepare(ctx, o)
}

func (b *broken) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	if b.grant != nil {
		return b.grant(ctx, o, p)
	}
	return b.Driver.Grant(ctx, o, p)
}

func (b *broken) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	if b.extend != nil {
		return b.extend(ctx, o, p)
	}
	return b.Driver.Extend(ctx, o, p)
}

func (b *broken) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	if b.revoke != nil {
		return b.revoke(ctx, o, p)
	}
	return b.Driver.Revoke(ctx, o, p)
}

func (b *broken) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	if b.observe != nil {
		return b.observe(ctx, o, p)
	}
	return b.Driver.Observe(ctx, o, p)
}

func (b *broken) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	if b.list != nil {
		return b.list(ctx)
	}
	return b.Driver.List(ctx)
}

// edit changes the account of the plan behind the driver's back, if it is there.
func (b *broken) edit(p access.Plan, change func(a *account)) {
	name, err := accountOf(p)
	if err != nil {
		return
	}
	b.target.mu.Lock()
	defer b.target.mu.Unlock()
	if a := b.target.accounts[name]; a != nil {
		change(a)
	}
}

// removeWhere removes the accounts that Curfew made and that match, with their sessions.
func (b *broken) removeWhere(match func(a *account) bool) {
	b.target.mu.Lock()
	defer b.target.mu.Unlock()
	for _, a := range b.target.accounts {
		if a.Name != OwnAccount && match(a) {
			b.target.remove(a)
		}
	}
}
