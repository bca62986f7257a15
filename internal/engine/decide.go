package engine

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/nearmiss"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// decide gathers what the policies want to know, as it is now, and decides the request.
func (e *Engine) decide(ctx context.Context, rules *Rules, parties policy.Parties, r access.Request) (ruling, error) {
	in, err := e.input(ctx, rules, parties, r)
	if err != nil {
		return ruling{}, err
	}
	return ruling{in: in, d: rules.Policies.Decide(in), rules: rules}, nil
}

func (e *Engine) input(ctx context.Context, rules *Rules, parties policy.Parties, r access.Request) (policy.Input, error) {
	now, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return policy.Input{}, err
	}
	in := policy.Input{
		Now: now, Principal: parties.Requester, AskedBy: parties.AskedBy, Duration: r.Duration, Start: r.Start, Reason: r.Reason,
		Ticket: r.Ticket, Params: r.Params, BreakGlass: r.BreakGlass,
	}
	for _, ent := range r.Entitlements {
		t, err := rules.target(ctx, parties.Requester, ent)
		if err != nil {
			return policy.Input{}, err
		}
		t.Bundle = r.Bundle
		in.Targets = append(in.Targets, t)
	}
	boundImplied(in.Targets)
	if err := rules.complete(ctx, &in); err != nil {
		return in, err
	}
	return in, e.addConfirmation(ctx, rules, &in, r)
}

// complete adds to an input what the policies in question want to know: of the requester, and of the human for whom an agent
// acts.
func (r *Rules) complete(ctx context.Context, in *policy.Input) error {
	if err := r.answer(ctx, in); err != nil || in.Principal.ActsFor.IsZero() {
		return err
	}
	human, err := r.Directory.Principal(ctx, in.Principal.ActsFor)
	if is(err, access.KindNotFound) {
		in.Human = &policy.Human{Principal: access.Principal{ID: in.Principal.ActsFor}, Gone: true}
		return nil
	}
	if err != nil {
		return err
	}
	in.Human = &policy.Human{Principal: human, NoAccount: r.noAccount(human, in.Targets)}
	asked := in.ForHuman()
	if err := r.answer(ctx, &asked); err != nil {
		return err
	}
	in.Human.Facts, in.Human.Reviewers = asked.Facts, asked.Reviewers
	return nil
}

// noAccount says, for each connector of the targets behind which the principal has no account, why.
func (r *Rules) noAccount(p access.Principal, targets []policy.Target) (why map[access.ConnectorName]string) {
	seen := map[access.ConnectorName]bool{}
	for _, t := range targets {
		name := t.Entitlement.Connector
		if seen[name] {
			continue
		}
		seen[name] = true
		if t := newTarget(r.Connectors[name], p); t.NoAccount != "" {
			if why == nil {
				why = map[access.ConnectorName]string{}
			}
			why[name] = t.NoAccount
		}
	}
	return why
}

// answer fetches what the policies in question name, and nothing else.
func (r *Rules) answer(ctx context.Context, in *policy.Input) error {
	in.Reviewers = nil
	needs := r.Policies.Needs(*in)
	for _, selector := range needs.Reviewers {
		members, err := r.Directory.Members(ctx, policy.Selector(selector))
		if err != nil {
			return err
		}
		if in.Reviewers == nil {
			in.Reviewers = map[string][]policy.Reviewer{}
		}
		in.Reviewers[selector] = []policy.Reviewer{}
		for _, m := range members {
			in.Reviewers[selector] = append(in.Reviewers[selector], policy.Reviewer{ID: m.ID, Kind: m.Kind, Person: m.Person})
		}
	}
	return nil
}

// target finds the resource of an entitlement, and the requester's account there; the error names the near miss.
func (r *Rules) target(ctx context.Context, requester access.Principal, ent access.Entitlement) (policy.Target, error) {
	c, ok := r.Connectors[ent.Connector]
	if !ok {
		return policy.Target{}, notFound("connector", string(ent.Connector), keys(r.Connectors))
	}
	res, err := c.Resolve(ctx, ent)
	if err != nil {
		return policy.Target{}, err
	}
	t := newTarget(c, requester)
	t.Entitlement, t.Labels, t.Implies = ent, c.Labels(res), res.Implies[ent.Permission]
	t.Owners = c.Owners(ent.Resource)
	return t, nil
}

func keys[K ~string, V any](m map[K]V) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(string(k)) {
				return
			}
		}
	}
}

// maxShownName is how much of a name that is not known an error repeats.
const maxShownName = 64

// notFound says that nothing has this name, and which name is near. What is too long for a name is not repeated: it may
// be anything, a secret that was pasted in the wrong place among others.
func notFound(what, name string, known iter.Seq[string]) error {
	if len(name) > maxShownName {
		return access.Errorf(access.KindNotFound, "There is no such %s; `curfew list` shows what there is.", what)
	}
	if near := nearmiss.Find(name, known); near != "" {
		return access.Errorf(access.KindNotFound, "There is no %s %q. Did you mean %q?", what, name, near)
	}
	return access.Errorf(access.KindNotFound, "There is no %s %q; `curfew list` shows what there is.", what, name)
}

func names(ents []access.Entitlement) string {
	out := make([]string, len(ents))
	for i, e := range ents {
		out[i] = e.String()
	}
	return strings.Join(out, " ")
}

// load reads one request.
func (e *Engine) load(ctx context.Context, id access.RequestID) (r access.Request, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		r, err = tx.Requests().Get(e.cfg.Tenant, id)
		return err
	})
	return r, err
}

// loadGrant reads one grant.
func (e *Engine) loadGrant(ctx context.Context, id access.GrantID) (g access.Grant, err error) {
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		g, err = tx.Grants().Get(e.cfg.Tenant, id)
		return err
	})
	return g, err
}
