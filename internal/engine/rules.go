package engine

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// Rules are what a configuration says and Reload replaces as a whole. They are not changed once an Engine has them.
type Rules struct {
	Directory  Directory
	Connectors map[access.ConnectorName]*connector.Connector
	Policies   *policy.Set
	Bundles    map[string]access.Bundle
	// Digest tells the rules from all others that might decide otherwise. Empty means that nobody can say.
	Digest string
}

// ruling is a decision with what it saw and the rules that made it.
type ruling struct {
	in    policy.Input
	d     policy.Decision
	rules *Rules
	// reviewed are the reviews that it was held against, if it was.
	reviewed []policy.Reviewed
}

// Reload replaces the rules. It refuses rules that lack a connector with grants that have not ended, and the old ones
// stay. From its return on every decision is by the new ones: one that was under way is lost, and Reconsider takes back
// what they no longer allow.
func (e *Engine) Reload(ctx context.Context, rules Rules) error {
	if err := e.checkConnectors(ctx, &rules); err != nil {
		return err
	}
	// Before the first decision by the new rules: they could otherwise be taken for the old ones after a crash.
	if err := e.forgetDecided(ctx); err != nil {
		e.reconsidering.begin()
		return err
	}
	old := e.rules.Swap(&rules)
	// A grant may have begun behind a connector that goes, since it was looked.
	if err := e.checkConnectors(ctx, &rules); err != nil {
		e.rules.Store(old)
		e.reconsidering.begin()
		return err
	}
	e.reconsidering.begin()
	e.signals.raise(eligibilityLane)
	return nil
}

// Accepts refuses the rules that Reload would, and changes nothing.
func (e *Engine) Accepts(ctx context.Context, rules Rules) error {
	return e.checkConnectors(ctx, &rules)
}

// CheckConnectors refuses a configuration that lacks a connector with grants that have not ended: they could not be
// taken back.
func (e *Engine) CheckConnectors(ctx context.Context) error {
	return e.checkConnectors(ctx, e.rules.Load())
}

func (e *Engine) checkConnectors(ctx context.Context, rules *Rules) error {
	var lanes []store.Lane
	err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		lanes, err = tx.Grants().Lanes()
		return err
	})
	if err != nil {
		return err
	}
	for _, lane := range lanes {
		if lane.Tenant != e.cfg.Tenant {
			continue
		}
		if _, err := rules.connector(lane.Connector); err != nil {
			return err
		}
	}
	return nil
}

// connector finds a connector; the message names it.
func (r *Rules) connector(name access.ConnectorName) (*connector.Connector, error) {
	c, ok := r.Connectors[name]
	if !ok {
		return nil, access.Errorf(access.KindMisconfigured, "the connector %s is not in the configuration any more; restore it so that its grants can be taken back", name)
	}
	return c, nil
}

// connector finds a connector of the rules that are in force.
func (e *Engine) connector(name access.ConnectorName) (*connector.Connector, error) {
	return e.rules.Load().connector(name)
}

// shares reports whether what the connector gives are rights that several grants may hold.
func (e *Engine) shares(name access.ConnectorName) bool {
	c, ok := e.rules.Load().Connectors[name]
	return ok && c.Type().Traits.Shared()
}

// issues reports whether the connector issues credentials.
func (e *Engine) issues(name access.ConnectorName) bool {
	c, ok := e.rules.Load().Connectors[name]
	return ok && !c.Type().Traits.NoCredential
}

// directory is the one that is in force.
func (e *Engine) directory() Directory { return e.rules.Load().Directory }

// errStale means that a decision was made by rules that have been replaced since, or of somebody of whom something changed.
var errStale = access.Errorf(access.KindConflict, "The configuration changed at this moment, or what is known of you; try again.")

// refuseStale is errStale when the decision is: other rules are in force, or somebody by whom it was made is not who they were.
func (c *change) refuseStale(v ruling) error {
	if c.engine.rules.Load() != v.rules {
		return errStale
	}
	parties := []access.Principal{v.in.Principal, v.in.AskedBy}
	if v.in.Human != nil && !v.in.Human.Gone {
		parties = append(parties, v.in.Human.Principal)
	}
	for _, p := range parties {
		if err := c.refuseChanged(p); err != nil {
			return err
		}
	}
	return nil
}
