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
func (e *Engine) decide(ctx context.Context, rules *Rules, requester access.Principal, r access.Request) (ruling, error) {
	in, err := e.input(ctx, rules, requester, r)
	if err != nil {
		return ruling{}, err
	}
	d, err := rules.decide(ctx, in)
	return ruling{in: in, d: d, rules: rules}, err
}

// decide decides what was gathered. What an agent gets is never wider than what the human gets for whom it acts.
func (r *Rules) decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	all, err := r.narrowed(ctx, in, func(in policy.Input) []policy.Decision {
		return []policy.Decision{r.Policies.Decide(in)}
	})
	if err != nil {
		return policy.Decision{}, err
	}
	return all[0], nil
}

// decideEach decides each target by itself, like decide.
func (r *Rules) decideEach(ctx context.Context, in policy.Input) ([]policy.Decision, error) {
	return r.narrowed(ctx, in, r.Policies.DecideEach)
}

// narrowed decides for an agent twice, for itself and for its human, and for everybody else once.
func (r *Rules) narrowed(ctx context.Context, in policy.Input, decide func(policy.Input) []policy.Decision) ([]policy.Decision, error) {
	decisions := decide(in)
	allowed := func(d policy.Decision) bool { return d.Verdict != policy.VerdictDenied }
	if in.Principal.ActsFor.IsZero() || !slices.ContainsFunc(decisions, allowed) {
		return decisions, nil
	}
	human, err := r.Directory.Principal(ctx, in.Principal.ActsFor)
	if is(err, access.KindNotFound) {
		for i := range decisions {
			decisions[i] = policy.Narrow(decisions[i], policy.Decision{Verdict: policy.VerdictDenied, Why: access.SafeMessage(err)})
		}
		return decisions, nil
	}
	if err != nil {
		return nil, err
	}
	in.Principal, in.Reviewers = human, nil
	if err := r.answer(ctx, &in); err != nil {
		return nil, err
	}
	for i, d := range decide(in) {
		decisions[i] = policy.Narrow(decisions[i], d)
	}
	return decisions, nil
}

func (e *Engine) input(ctx context.Context, rules *Rules, requester access.Principal, r access.Request) (policy.Input, error) {
	now, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return policy.Input{}, err
	}
	in := policy.Input{
		Now: now, Principal: requester, Duration: r.Duration, Start: r.Start, Reason: r.Reason, Ticket: r.Ticket,
		Params: r.Params, BreakGlass: r.BreakGlass,
	}
	for _, ent := range r.Entitlements {
		t, err := rules.target(ctx, requester, ent)
		if err != nil {
			return policy.Input{}, err
		}
		t.Bundle = r.Bundle
		in.Targets = append(in.Targets, t)
	}
	boundImplied(in.Targets)
	return in, rules.answer(ctx, &in)
}

// answer fetches what the policies in question name, and nothing else.
func (r *Rules) answer(ctx context.Context, in *policy.Input) error {
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
