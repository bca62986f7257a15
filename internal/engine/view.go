package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// RequestView is a request with everything that its requester, its reviewers and an auditor look at.
type RequestView struct {
	Request access.Request
	// Name is what the directory calls the request's principal now; empty when it does not say.
	Name string
	// Decision is the newest: of the submission, a review, or an activation. It comes without the traces of its targets.
	Decision policy.Decision
	Reviews  []access.Review
	// Open are the stages that wait for a review now.
	Open []policy.OpenStage
	// Missing is what else a pending request waits for: policy.RequireMFA.
	Missing []string
	Grants  []access.Grant
}

// Outcome reports whether there is nothing left to wait for: the request will not be granted, or each of its grants is
// past its activation, or was scheduled for later.
func (v RequestView) Outcome() bool {
	if v.Request.State != access.RequestApproved {
		return v.Request.State.Settled()
	}
	return !slices.ContainsFunc(v.Grants, func(g access.Grant) bool {
		return g.State == access.GrantActivating || (g.State == access.GrantScheduled && !g.StartAt.After(g.CreatedAt))
	})
}

// Duration is what was asked, or, where nothing was, the longest that the decision gives.
func (v RequestView) Duration() time.Duration {
	longest := v.Request.Duration
	if longest == 0 {
		for _, t := range v.Decision.Targets {
			longest = max(longest, t.Duration)
		}
	}
	return longest
}

// owns reports whether the actor is the principal, or the human behind it.
func owns(actor access.Principal, id access.PrincipalID, person access.PersonID) bool {
	return actor.ID == id || (actor.Kind == access.Human && actor.Person == person)
}

// askedFor reports whether the actor, or the human behind them, asked for the request in another's name.
func askedFor(actor access.Principal, r access.Request) bool {
	return !r.AskedBy.IsZero() && owns(actor, r.AskedBy, r.AskedByPerson)
}

// askedForGrant reports whether the actor asked for what led to the grant, in the name of its principal.
func (e *Engine) askedForGrant(tx store.Tx, actor access.Principal, g access.Grant) (bool, error) {
	r, err := tx.Requests().Get(e.cfg.Tenant, g.Request)
	return err == nil && askedFor(actor, r), err
}

// seesAll reports whether the actor may look at what is not theirs.
func (e *Engine) seesAll(actor access.Principal) bool {
	d := e.directory()
	return d.HasRole(actor, access.RoleAdmin) || d.HasRole(actor, access.RoleAuditor)
}

// MayReadMetrics refuses those who may not look at what is not theirs: metrics name every connector, and how it does.
func (e *Engine) MayReadMetrics(actor access.Principal) error {
	if !e.seesAll(actor) {
		return access.Errorf(access.KindDenied, "Only administrators and auditors read the metrics.")
	}
	return nil
}

// maySeeRequest reports whether the actor may look at a request whose newest decision has these stages.
func (e *Engine) maySeeRequest(actor reviewer, r access.Request, stages []policy.OpenStage) bool {
	return owns(actor.Principal, r.Principal, r.Person) || askedFor(actor.Principal, r) || e.seesAll(actor.Principal) ||
		actor.fitsAny(withFallbacks(stages), partiesOf(r))
}

func (e *Engine) maySeeGrant(actor access.Principal, g access.Grant) bool {
	return owns(actor, g.Principal, g.Person) || e.seesAll(actor)
}

// unseen tells somebody who does not see everything the same of what is not there as of what they may not see.
func (e *Engine) unseen(actor access.Principal, err error, what, id string) error {
	if is(err, access.KindNotFound) && !e.seesAll(actor) {
		return access.Errorf(access.KindNotFound, "You have no %s %s.", what, id)
	}
	return err
}

// Request reads one request. What the actor may not see is not found.
func (e *Engine) Request(ctx context.Context, actor access.Principal, id access.RequestID) (v RequestView, err error) {
	var now time.Time
	var delegated []access.Delegation
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		if delegated, err = e.delegatedTo(tx, actor); err != nil {
			return err
		}
		r, err := tx.Requests().Get(e.cfg.Tenant, id)
		if err != nil {
			return e.unseen(actor, err, "request", string(id))
		}
		views, err := e.views(tx, r)
		if err == nil {
			v = views[0]
		}
		return err
	})
	if err != nil {
		return RequestView{}, err
	}
	if err := e.progress(ctx, &v, now); err != nil {
		return RequestView{}, err
	}
	by, err := e.seated(ctx, actor, delegated)
	if err != nil {
		return RequestView{}, err
	}
	if !e.maySeeRequest(by, v.Request, v.Decision.Stages) {
		return RequestView{}, access.Errorf(access.KindNotFound, "You have no request %s.", id)
	}
	named := []RequestView{v}
	err = e.name(ctx, named)
	return named[0], err
}

// views reads what belongs to requests, of each table at once.
func (e *Engine) views(tx store.Tx, requests ...access.Request) ([]RequestView, error) {
	views := make([]RequestView, len(requests))
	ids := make([]access.RequestID, len(requests))
	of := make(map[access.RequestID]*RequestView, len(requests))
	for i, r := range requests {
		views[i].Request, ids[i], of[r.ID] = r, r.ID, &views[i]
	}
	decisions, err := newestDecisions(tx, e.cfg.Tenant, ids...)
	if err != nil {
		return nil, err
	}
	reviews, err := tx.Reviews().List(e.cfg.Tenant, ids...)
	if err != nil {
		return nil, err
	}
	// Those of a request come together, and in its order: they were made, and so named, in it.
	grants, err := tx.Grants().OfRequests(e.cfg.Tenant, ids...)
	if err != nil {
		return nil, err
	}
	for id, d := range decisions {
		of[id].Decision = d
	}
	for _, r := range reviews {
		of[r.Request].Reviews = append(of[r.Request].Reviews, r)
	}
	for len(grants) > 0 {
		v := of[grants[0].Request]
		n := 1
		for n < len(grants) && grants[n].Request == v.Request.ID {
			n++
		}
		v.Grants, grants = grants[:n:n], grants[n:]
	}
	return views, nil
}

// newestDecisions are the decisions of the submission, a review, or an activation, of the requests that have any.
func newestDecisions(tx store.Tx, tenant access.TenantID, requests ...access.RequestID) (map[access.RequestID]policy.Decision, error) {
	stored, err := tx.Decisions().Newest(tenant, requests...)
	if err != nil {
		return nil, err
	}
	decisions := make(map[access.RequestID]policy.Decision, len(stored))
	// A decision names neither the request nor who asked, so that those on the same entitlement are mostly the same text.
	read := map[string]policy.Decision{}
	for id, text := range stored {
		d, known := read[string(text)]
		if !known {
			if d, err = readDecision(text); err != nil {
				return nil, err
			}
			read[string(text)] = d
		}
		decisions[id] = d
	}
	return decisions, nil
}

// readDecision decodes a stored decision but for the traces, which are most of it and which nobody looks at in a view.
func readDecision(stored []byte) (policy.Decision, error) {
	var read struct {
		policy.Decision
		Targets []struct {
			policy.TargetDecision
			Trace      unread `json:"trace"`
			HumanTrace unread `json:"human_trace"`
		} `json:"targets"`
	}
	if err := json.Unmarshal(stored, &read); err != nil {
		return policy.Decision{}, err
	}
	d := read.Decision
	d.Targets = make([]policy.TargetDecision, len(read.Targets))
	for i, t := range read.Targets {
		d.Targets[i] = t.TargetDecision
	}
	return d, nil
}

// unread is a value in JSON that is passed over.
type unread struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*unread) UnmarshalJSON([]byte) error { return nil }

// progress finds the stages that are open, and who may review in them at this moment.
func (e *Engine) progress(ctx context.Context, v *RequestView, now time.Time) error {
	if v.Request.State != access.RequestPending {
		return nil
	}
	reviewed, err := e.withReviewers(ctx, v.Reviews)
	if err != nil {
		return err
	}
	requester, err := e.directory().Principal(ctx, v.Request.Principal)
	if err != nil && !is(err, access.KindNotFound) {
		return err
	}
	v.Missing = v.Decision.Missing
	shown := ruling{in: policy.Input{Principal: requester, AskedBy: partiesOf(v.Request).AskedBy}, d: v.Decision}
	v.Open = shown.tally(v.Request, reviewed, now).Open
	return nil
}

// partiesOf is what a stage must know of the parties of a request: who they are, under any account.
func partiesOf(r access.Request) policy.Parties {
	return policy.Parties{
		Requester: access.Principal{ID: r.Principal, Person: r.Person, ActsFor: r.ActsFor}, AskedBy: access.Principal{ID: r.AskedBy, Person: r.AskedByPerson},
	}
}

// withFallbacks are the stages with everybody who may come to review in them.
func withFallbacks(stages []policy.OpenStage) []policy.OpenStage {
	out := make([]policy.OpenStage, len(stages))
	for i, s := range stages {
		out[i] = s.WithFallback()
	}
	return out
}

// WaitRequest returns the request when there is nothing left to wait for, or as it stands when ctx ends.
func (e *Engine) WaitRequest(ctx context.Context, actor access.Principal, id access.RequestID) (RequestView, error) {
	changed, done := e.signals.subscribe(id)
	defer done()
	for {
		// The reading itself is not cut short by the end of the waiting.
		v, err := e.Request(context.WithoutCancel(ctx), actor, id)
		if err != nil || v.Outcome() {
			return v, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return v, nil
		}
	}
}

// Scope selects whose requests or grants a list shows.
type Scope uint8

// The scopes.
const (
	// Mine are the actor's own.
	Mine Scope = iota
	// ForOthers are those that the actor asked for in another's name.
	ForOthers
	// ToReview are the pending requests that the actor can act on now.
	ToReview
	// All is everybody's, for administrators and auditors.
	All
)

// Requests lists requests, newest first.
func (e *Engine) Requests(ctx context.Context, actor access.Principal, scope Scope, page store.Page) (items []RequestView, next string, err error) {
	filter := store.RequestFilter{}
	switch {
	case scope == Mine:
		filter.Principal = actor.ID
	case scope == ForOthers:
		filter.AskedBy = actor.ID
	case scope == ToReview:
		filter.State = access.RequestPending
	case !e.seesAll(actor):
		return nil, "", access.Errorf(access.KindDenied, "Only administrators and auditors list everybody's requests.")
	}
	var now time.Time
	var delegated []access.Delegation
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		if delegated, err = e.delegatedTo(tx, actor); err != nil {
			return err
		}
		var requests []access.Request
		if requests, next, err = tx.Requests().List(e.cfg.Tenant, filter, page); err == nil {
			items, err = e.views(tx, requests...)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for i := range items {
		if err := e.progress(ctx, &items[i], now); err != nil {
			return nil, "", err
		}
	}
	if scope == ToReview {
		by, err := e.seated(ctx, actor, delegated)
		if err != nil {
			return nil, "", err
		}
		items = slices.DeleteFunc(items, func(v RequestView) bool {
			return !by.fitsAny(v.Open, partiesOf(v.Request))
		})
	}
	return items, next, e.name(ctx, items)
}

// Grant reads one grant. What the actor may not see is not found.
func (e *Engine) Grant(ctx context.Context, actor access.Principal, id access.GrantID) (access.Grant, error) {
	var g access.Grant
	var sees bool
	err := e.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		if g, err = tx.Grants().Get(e.cfg.Tenant, id); err != nil || e.maySeeGrant(actor, g) {
			sees = err == nil
			return e.unseen(actor, err, "grant", string(id))
		}
		sees, err = e.askedForGrant(tx, actor, g)
		return err
	})
	if err != nil {
		return access.Grant{}, err
	}
	if !sees {
		return access.Grant{}, access.Errorf(access.KindNotFound, "You have no grant %s.", id)
	}
	return g, nil
}

// Grants lists grants, newest first: the actor's own, or everybody's with All. ended includes those that have ended.
func (e *Engine) Grants(ctx context.Context, actor access.Principal, scope Scope, ended bool, page store.Page) (items []access.Grant, next string, err error) {
	filter := store.GrantFilter{Unended: !ended}
	switch {
	case scope != All:
		filter.Principal = actor.ID
	case !e.seesAll(actor):
		return nil, "", access.Errorf(access.KindDenied, "Only administrators and auditors list everybody's grants.")
	}
	err = e.cfg.Store.View(ctx, func(tx store.Tx) error {
		items, next, err = tx.Grants().List(e.cfg.Tenant, filter, page)
		return err
	})
	return items, next, err
}
