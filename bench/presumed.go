package main

import (
	"context"
	"sync"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// batchDriver is a driver that takes back and reads back many grants at once.
type batchDriver interface {
	connector.Driver
	connector.BatchRevoker
	connector.BatchObserver
}

// presumed is a driver of the in-memory target before books that were seeded: what the books say is there was never made
// in this process, and is presumed to be there until it is taken back. Without it the comparison at the start would end
// every seeded grant as removed at the target.
type presumed struct {
	batchDriver

	mu sync.Mutex
	// gone are the grants that were taken back in this process.
	gone map[access.GrantID]bool
}

var _ batchDriver = (*presumed)(nil)

// presume wraps a driver, which must know batches: a wrapper that hid them would have the engine work one by one.
func presume(_ access.ConnectorName, d connector.Driver) connector.Driver {
	return &presumed{batchDriver: d.(batchDriver), gone: map[access.GrantID]bool{}}
}

// Revoke implements connector.Driver.
func (p *presumed) Revoke(ctx context.Context, o connector.Order, plan access.Plan) (connector.Removal, error) {
	removal, err := p.batchDriver.Revoke(ctx, o, plan)
	if err == nil {
		p.takenBack(o.Grant)
	}
	return removal, err
}

// RevokeBatch implements connector.BatchRevoker.
func (p *presumed) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := p.batchDriver.RevokeBatch(ctx, tasks)
	for i, t := range tasks {
		if out[i].Err == nil {
			p.takenBack(t.Order.Grant)
		}
	}
	return out
}

// Observe implements connector.Driver.
func (p *presumed) Observe(ctx context.Context, o connector.Order, plan access.Plan) (connector.Presence, error) {
	presence, err := p.batchDriver.Observe(ctx, o, plan)
	if err == nil {
		p.addPresumed(o.Grant, &presence)
	}
	return presence, err
}

// ObserveBatch implements connector.BatchObserver.
func (p *presumed) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := p.batchDriver.ObserveBatch(ctx, tasks)
	for i, t := range tasks {
		if out[i].Err == nil {
			p.addPresumed(t.Order.Grant, &out[i].Presence)
		}
	}
	return out
}

func (p *presumed) takenBack(g access.GrantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone[g] = true
}

func (p *presumed) addPresumed(g access.GrantID, presence *connector.Presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone[g] {
		return
	}
	for i := range presence.Atoms {
		presence.Atoms[i].State = connector.Present
	}
}
