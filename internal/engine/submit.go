package engine

import (
	"context"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// Submission is what somebody asks for.
type Submission struct {
	// Entitlements or Bundle, not both.
	Entitlements []access.Entitlement
	Bundle       string
	// Duration of zero means min(1h, the policy's maximum).
	Duration time.Duration
	// Start is when access shall begin; zero means as soon as it is approved.
	Start  time.Time
	Reason string
	Ticket string
	Params map[string]string
	// OnBehalfOf is in whose name it is asked; zero means the actor's own.
	OnBehalfOf access.PrincipalID
	// Recipient is the HPKE public key to seal credentials to; it may also come with the first fetch.
	Recipient []byte
}

// Submit decides a request and keeps it, whatever the decision: when it returns without error the request is durable,
// and pending, approved or denied. A submission that makes no sense is an error and is not kept.
func (e *Engine) Submit(ctx context.Context, actor access.Principal, s Submission) (access.Request, error) {
	rules := e.rules.Load()
	r, parties, err := e.requestOf(ctx, rules, actor, s)
	if err != nil {
		return access.Request{}, err
	}
	if planted.Active(planted.AskerForgotten) {
		r.AskedBy, r.AskedByPerson, parties.AskedBy = access.PrincipalID{}, "", access.Principal{}
	}
	v, err := e.decide(ctx, rules, parties, r)
	if err != nil {
		return access.Request{}, err
	}
	r.ID = access.RequestID(e.cfg.IDs.New(access.RequestPrefix))
	r.Hash = access.HashRequest(r)
	var kept access.Request
	err = e.update(ctx, txSubmit, func(c *change) error {
		kept = r // fn may run again, and must then find the request as it was
		return c.submit(&kept, v)
	})
	if err != nil {
		return access.Request{}, err
	}
	return kept, nil
}

// requestOf is what a submission asks for, before it is one that is kept: it has no ID.
func (e *Engine) requestOf(ctx context.Context, rules *Rules, actor access.Principal, s Submission) (r access.Request, parties policy.Parties, err error) {
	if err := s.validate(); err != nil {
		return r, parties, err
	}
	entitlements, err := e.expand(s)
	if err != nil {
		return r, parties, err
	}
	if parties, err = rules.parties(ctx, actor, s); err != nil {
		return r, parties, err
	}
	return access.Request{
		Tenant: e.cfg.Tenant, Principal: parties.Requester.ID, Person: parties.Requester.Person, ActsFor: parties.Requester.ActsFor,
		AskedBy: parties.AskedBy.ID, AskedByPerson: parties.AskedBy.Person,
		Bundle: s.Bundle, Entitlements: entitlements, Duration: s.Duration, Start: s.Start, Reason: s.Reason, Ticket: s.Ticket,
		Params: s.Params, Recipient: s.Recipient, State: access.RequestPending,
	}, parties, nil
}

// validate checks the bounds of everything that a person writes. Its errors never repeat what was written.
func (s Submission) validate() error {
	invalid := func(format string, args ...any) error { return access.Errorf(access.KindInvalid, format, args...) }
	switch {
	case len(s.Entitlements) == 0 && s.Bundle == "":
		return invalid("Name at least one entitlement, as in orders-db/orders:read; `curfew list` shows what there is.")
	case len(s.Entitlements) > 0 && s.Bundle != "":
		return invalid("Ask for a bundle or for entitlements, not for both at once.")
	case len(s.Entitlements) > access.MaxEntitlements:
		return invalid("A request may name at most %d entitlements, and this one names %d.", access.MaxEntitlements, len(s.Entitlements))
	case s.Duration < 0 || (s.Duration > 0 && s.Duration < access.MinDuration):
		return invalid("A duration is at least 1s, as in --for 30m.")
	case s.Duration > access.MaxDuration:
		return invalid("A duration is at most %d days.", int(access.MaxDuration.Hours()/24))
	case len(s.Reason) > access.MaxReason:
		return invalid("A reason has at most %d bytes, and this one has %d.", access.MaxReason, len(s.Reason))
	case len(s.Ticket) > access.MaxTicket:
		return invalid("A ticket has at most %d bytes, and this one has %d.", access.MaxTicket, len(s.Ticket))
	case !text(s.Reason) || !text(s.Ticket):
		return invalid("A reason and a ticket are UTF-8 text without NUL characters.")
	case len(s.Params) > access.MaxParams:
		return invalid("A request has at most %d parameters.", access.MaxParams)
	}
	for k, v := range s.Params {
		if len(k) > 64 || len(v) > access.MaxParamBytes || !text(k) || !text(v) {
			return invalid("A parameter has a name of at most 64 bytes and a value of at most %d, both UTF-8 text.", access.MaxParamBytes)
		}
	}
	if len(s.Recipient) > 0 {
		if err := secret.CheckRecipient(s.Recipient); err != nil {
			return access.Wrap(access.KindInvalid, nil, err.Error())
		}
	}
	return nil
}

func text(s string) bool {
	for _, r := range s {
		if r == 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

// expand turns a bundle into its entitlements and refuses an entitlement that is named twice.
func (e *Engine) expand(s Submission) ([]access.Entitlement, error) {
	if s.Bundle != "" {
		bundles := e.rules.Load().Bundles
		bundle, ok := bundles[s.Bundle]
		if !ok {
			return nil, notFound("bundle", s.Bundle, keys(bundles))
		}
		return bundle.Entitlements, nil
	}
	seen := map[access.Entitlement]bool{}
	for _, ent := range s.Entitlements {
		if seen[ent] {
			return nil, access.Errorf(access.KindInvalid, "The entitlement %s is named twice.", ent)
		}
		seen[ent] = true
	}
	return s.Entitlements, nil
}

// submit writes a decided request with its decision, and its grants if nobody has to agree.
func (c *change) submit(r *access.Request, v ruling) error {
	if err := c.mayAsk(*r); err != nil {
		return err
	}
	r.CreatedAt = c.Now()
	r.LapsesAt = c.Now().Add(waits(v.d))
	if err := c.Requests().Insert(*r); err != nil {
		return err
	}
	if err := c.keepDecision(r.ID, v); err != nil {
		return err
	}
	err := c.record(access.Event{
		Kind: access.EventRequestSubmitted, Actor: askerOf(*r), Subject: r.Principal, Person: r.Person, ActsFor: r.ActsFor, Request: r.ID,
		To:       string(access.RequestPending),
		Detail:   map[string]string{"duration": durationOrNone(r.Duration), "verdict": string(v.d.Verdict), "entitlements": names(r.Entitlements), "bundle": r.Bundle},
		Personal: map[string]string{"reason": r.Reason, "ticket": r.Ticket},
	})
	if err != nil {
		return err
	}
	switch p := v.tally(*r, nil, c.Now()); {
	case p.Denied:
		return c.settleRequest(r, access.RequestDenied, access.Event{Personal: map[string]string{"why": v.d.Why}})
	case p.Approved:
		return c.approve(r, v.d, 0, access.PrincipalID{})
	default:
		c.wake = append(c.wake, requestsLane)
		return nil
	}
}

// mayAsk is an error when a request is not taken, whatever the policies say of it.
func (c *change) mayAsk(r access.Request) error {
	if err := c.refuseFrozen(r.Person, r.Entitlements...); err != nil {
		return err
	}
	if !r.AskedBy.IsZero() {
		if err := c.refuseFrozen(r.AskedByPerson); err != nil {
			return err
		}
	}
	if err := checkStart(r.Start, c.Now()); err != nil {
		return err
	}
	open, err := c.Requests().Open(r.Tenant, r.Principal, MaxOpen)
	if err != nil {
		return err
	}
	if open >= MaxOpen {
		return access.Errorf(access.KindExhausted, "%s has %d requests and grants open already; return or withdraw what is not needed.", r.Principal, open)
	}
	return nil
}

// checkStart bounds when access may begin.
func checkStart(start, now time.Time) error {
	switch {
	case start.IsZero():
		return nil
	case start.Before(now):
		return access.Errorf(access.KindInvalid, "The start has passed; leave it out, and access begins as soon as it is approved.")
	case start.After(now.Add(access.MaxAhead)):
		return access.Errorf(access.KindInvalid, "A start is at most %d days ahead.", int(access.MaxAhead.Hours()/24))
	}
	return nil
}

// waits is how long a request waits for reviews and for what else is missing. The stages of a policy come one after the other,
// and policies side by side.
func waits(d policy.Decision) time.Duration {
	var longest time.Duration
	if len(d.Missing) > 0 {
		longest = policy.DefaultWithin
	}
	perPolicy := map[string]time.Duration{}
	for _, s := range d.Stages {
		perPolicy[s.Policy] += s.Waits()
		longest = max(longest, perPolicy[s.Policy])
	}
	return longest
}

// keepDecision keeps a decision, what it saw, and the policies that made it, while they are in force.
func (c *change) keepDecision(r access.RequestID, v ruling) error {
	if err := c.refuseStale(v); err != nil {
		return err
	}
	set := v.rules.Policies
	if err := c.Policies().Put(c.engine.cfg.Tenant, set.Digest(), set.Source()); err != nil {
		return err
	}
	input, err := json.Marshal(v.in)
	if err != nil {
		return err
	}
	decision, err := json.Marshal(v.d)
	if err != nil {
		return err
	}
	return c.Decisions().Append(store.Decision{
		Tenant: c.engine.cfg.Tenant, Request: r, At: c.Now(), PolicyDigest: set.Digest(), Input: input, Decision: decision,
	})
}

// approve settles the request and schedules its grants. limit, when not zero, caps every duration.
func (c *change) approve(r *access.Request, d policy.Decision, limit time.Duration, actor access.PrincipalID) error {
	if err := c.settleRequest(r, access.RequestApproved, access.Event{Actor: actor}); err != nil {
		return err
	}
	for _, t := range d.Targets {
		g := access.Grant{
			ID: access.GrantID(c.engine.cfg.IDs.New(access.GrantPrefix)), Tenant: r.Tenant, Request: r.ID, Principal: r.Principal,
			Person: r.Person, ActsFor: r.ActsFor, Entitlement: t.Entitlement, Duration: capped(t.Duration, limit), State: access.GrantScheduled,
			CreatedAt: c.Now(), StartAt: latest(c.Now(), r.Start),
		}
		c.dueAt(&g, g.StartAt)
		if err := c.Grants().Insert(g); err != nil {
			return err
		}
		err := c.recordGrant(g, access.Event{
			Kind: access.EventGrantScheduled, Actor: actor, To: string(g.State),
			Detail: map[string]string{"duration": g.Duration.String(), "policy": t.Policy},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// capped shortens d to limit, where a limit of zero is none.
func capped(d, limit time.Duration) time.Duration {
	if limit > 0 {
		return min(d, limit)
	}
	return d
}
