package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
)

// Offer is one entitlement that the actor could ask for.
type Offer struct {
	Entitlement access.Entitlement
	Verdict     policy.Verdict
	// MaxDuration is the longest that could be asked for, and Why the decision in a sentence.
	MaxDuration time.Duration
	Why         string
	// Reviewers are the selectors of those who would have to agree.
	Reviewers []string
}

// offersAtOnce is how many entitlements are decided between two looks at whether anybody still waits.
const offersAtOnce = 10_000

// Entitlements lists what the actor could ask for with a reason and a ticket, in order of name; what they would be
// denied is left out unless denied is set. Words select: each must occur in the entitlement, in any case.
func (e *Engine) Entitlements(ctx context.Context, actor access.Principal, words []string, denied bool) ([]Offer, error) {
	now, err := e.cfg.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	in := policy.Input{Now: now, Principal: actor, Reason: "-", Ticket: "-"}
	rules := e.rules.Load()
	var unread error
	for name := range keys(rules.Connectors) {
		c := rules.Connectors[access.ConnectorName(name)]
		catalogue, err := c.Resources(ctx)
		if err != nil {
			// A target that does not answer hides what is behind it, and nothing else.
			e.cfg.Log.WarnContext(ctx, "a connector's resources cannot be read", "connector", name, "error", err)
			unread = err
			continue
		}
		in.Targets = appendTargets(in.Targets, c, actor, catalogue.Resources, words)
	}
	if len(in.Targets) == 0 && unread != nil {
		return nil, unread
	}
	return rules.offers(ctx, in, denied)
}

// appendTargets appends the entitlements on resources that have the words.
func appendTargets(targets []policy.Target, c *connector.Connector, actor access.Principal, resources []access.Resource, words []string) []policy.Target {
	t := newTarget(c, actor)
	if len(words) == 0 {
		n := 0
		for _, res := range resources {
			n += len(res.Permissions)
		}
		targets = slices.Grow(targets, n)
	}
	for _, res := range resources {
		t.Labels, t.Owners = c.Labels(res), c.Owners(res.Name)
		for _, perm := range res.Permissions {
			t.Entitlement = access.Entitlement{Connector: c.Name(), Resource: res.Name, Permission: perm}
			if matches(t.Entitlement, words) {
				targets = append(targets, t)
			}
		}
	}
	return targets
}

func (r *Rules) offers(ctx context.Context, in policy.Input, denied bool) ([]Offer, error) {
	if err := r.complete(ctx, &in); err != nil {
		return nil, err
	}
	out := make([]Offer, 0, len(in.Targets))
	for targets := range slices.Chunk(in.Targets, offersAtOnce) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in.Targets = targets
		for _, d := range r.Policies.DecideEach(in) {
			if d.Verdict != policy.VerdictDenied || denied {
				out = append(out, newOffer(d))
			}
		}
	}
	return sortedByName(out), nil
}

// newOffer is a decision on one entitlement.
func newOffer(d policy.Decision) Offer {
	t := &d.Targets[0]
	o := Offer{Entitlement: t.Entitlement, Verdict: t.Verdict, MaxDuration: t.MaxDuration, Why: t.Why}
	if len(d.Stages) == 1 {
		o.Reviewers = d.Stages[0].From // sorted, and each once
		return o
	}
	for _, s := range d.Stages {
		o.Reviewers = append(o.Reviewers, s.From...)
	}
	slices.Sort(o.Reviewers)
	o.Reviewers = slices.Compact(o.Reviewers)
	return o
}

// sortedByName makes each name once, which a sort compares over and over, and moves each offer once.
func sortedByName(offers []Offer) []Offer {
	type place struct {
		name string
		at   int
	}
	places := make([]place, len(offers))
	for i, o := range offers {
		places[i] = place{o.Entitlement.String(), i}
	}
	slices.SortFunc(places, func(a, b place) int { return strings.Compare(a.name, b.name) })
	sorted := make([]Offer, len(offers))
	for i, p := range places {
		sorted[i] = offers[p.at]
	}
	return sorted
}

func matches(ent access.Entitlement, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(ent.String())
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, strings.ToLower(w)) })
}
