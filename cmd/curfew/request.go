package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// waitDefault is how long --wait waits when --timeout does not say.
	waitDefault = 10 * time.Minute
	// keyMargin is how long a key is kept beyond the time when the grants of its request must have ended. It covers the
	// activation, which has two minutes, and clocks that differ.
	keyMargin = time.Hour
	// keyPending is how long a key is kept whose request never got an answer.
	keyPending = 7 * 24 * time.Hour
)

type requestOptions struct {
	duration, timeout durationFlag
	start             momentFlag
	reason, ticket    string
	onBehalfOf        string
	params            []string
	wait, noBrowser   bool
}

func (p *program) requestCommand() *cobra.Command {
	o := requestOptions{timeout: durationFlag(waitDefault)}
	cmd := &cobra.Command{
		Use:   "request ENTITLEMENT…",
		Short: "Ask for access for a stated time",
		Long: `Ask for access for a stated time.

Several entitlements are decided together; a bundle stands alone, as bundle:NAME. With --wait the command
returns when access is there or will not be: 0 it is there, 3 denied, 5 nobody decided within --timeout.

With --on-behalf-of it is asked in another's name, where a policy allows that: it is decided and reviewed as
theirs, neither of you may review it, and only they can open the credential. Both of you can withdraw it and give
the access back.

Where a policy demands a second factor, a page opens in the browser to confirm the request with a passkey.`,
		Example:           `  curfew request orders-db/orders:read --for 30m --reason "look at order 17" --wait`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: p.completeEntitlements,
		RunE: func(cmd *cobra.Command, entitlements []string) error {
			if cmd.Flags().Changed("timeout") && !o.wait {
				return usagef("--timeout says how long --wait waits; give both")
			}
			body, err := o.body(entitlements)
			if err != nil {
				return err
			}
			return p.request(cmd.Context(), body, o)
		},
	}
	f := cmd.Flags()
	f.Var(&o.duration, "for", "how long, as in 30m (default: the shorter of one hour and the longest allowed)")
	f.Var(&o.start, "start", "when it shall begin, as in 2026-03-01T22:00 (default: as soon as it is approved)")
	f.StringVar(&o.reason, "reason", "", "why")
	f.StringVar(&o.ticket, "ticket", "", "the ticket that it is for")
	f.StringArrayVar(&o.params, "param", nil, "a parameter of the entitlement, as KEY=VALUE; may be repeated")
	f.StringVar(&o.onBehalfOf, "on-behalf-of", "", "in whose name it is asked: a principal, by a bare id or ISSUER/SUBJECT")
	f.BoolVar(&o.wait, "wait", false, "wait until access is there or will not be")
	f.Var(&o.timeout, "timeout", "how long --wait waits")
	noBrowserFlag(cmd, &o.noBrowser)
	return cmd
}

func (o requestOptions) body(entitlements []string) (client.RequestBody, error) {
	body := client.RequestBody{Entitlements: entitlements, Start: time.Time(o.start), Reason: o.reason, Ticket: o.ticket, OnBehalfOf: o.onBehalfOf}
	if o.duration != 0 {
		body.Duration = o.duration.String()
	}
	for _, param := range o.params {
		key, value, ok := strings.Cut(param, "=")
		if !ok || key == "" {
			return body, usagef("--param is KEY=VALUE, as in --param branch=main")
		}
		if _, twice := body.Params[key]; twice {
			return body, usagef("--param %s is given twice", key)
		}
		if body.Params == nil {
			body.Params = map[string]string{}
		}
		body.Params[key] = value
	}
	return body, nil
}

// request asks, with a key made beforehand, waits if told to, and says what happens next.
func (p *program) request(ctx context.Context, body client.RequestBody, o requestOptions) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	keys, err := p.openKeyring()
	if err != nil {
		return err
	}
	defer keys.close()
	r, err := submit(ctx, c, keys, body)
	if err != nil {
		return err
	}
	r, waitErr := p.confirmed(ctx, c, r, o.noBrowser)
	if waitErr == nil && o.wait {
		r, waitErr = p.await(ctx, c, r, time.Duration(o.timeout))
		waitErr = goesOn(r, waitErr)
	}
	if err := forgetSettled(keys, r); err != nil {
		return err
	}
	if p.wantsJSON() {
		if err := p.printJSON(r); err != nil {
			return err
		}
	} else {
		p.tellRequest(r)
	}
	if waitErr != nil {
		return waitErr
	}
	return outcome(r)
}

// submit asks with a key whose private half is on the disk before the public half leaves. Only a refusal proves that
// the key belongs to nothing; after anything else it stays, and the request that comes with the error has its public half:
// it may be there, and can be known by that.
func submit(ctx context.Context, c *client.Client, keys *keyring, body client.RequestBody) (client.Request, error) {
	now := time.Now()
	if err := keys.prune(now); err != nil {
		return client.Request{}, err
	}
	if body.OnBehalfOf != "" {
		return decode[client.Request](c.SubmitRequest(ctx, nil, body)) // the key is theirs who open the credential
	}
	asked, _ := time.ParseDuration(body.Duration) // the client wrote it; none is zero
	key, err := keys.create(laterOf(now, body.Start).Add(asked + keyPending))
	if err != nil {
		return client.Request{}, err
	}
	body.Recipient = key.Public()
	r, err := decode[client.Request](c.SubmitRequest(ctx, nil, body))
	if err != nil {
		if kind := access.KindOf(err); kind != access.KindUnavailable && kind != access.KindTimeout {
			return client.Request{}, errors.Join(err, keys.forget(pendingName(key.Public())))
		}
		return client.Request{Recipient: key.Public()}, err
	}
	return r, keys.adopt(key, r.ID, keyUntil(r))
}

// keyUntil is when every grant of the request must have ended.
func keyUntil(r client.Request) time.Time {
	d, err := time.ParseDuration(r.Duration)
	if err != nil {
		d = access.MaxDuration
	}
	return laterOf(r.LapsesAt, r.Start).Add(d + keyMargin)
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// forgetSettled removes the key of a request under which nothing will be issued any more.
func forgetSettled(keys *keyring, r client.Request) error {
	if r.State == client.RequestStatePending {
		return nil
	}
	for _, g := range r.Grants {
		if g.State != client.GrantStateEnded {
			return nil
		}
	}
	// Where the answer was lost, the key is still under the name that it was made with.
	return errors.Join(keys.forget(r.ID), keys.forget(pendingName(r.Recipient)))
}

// outcome is the error that a request has come to, if it has come to one.
func outcome(r client.Request) error {
	id := access.Short(access.RequestID(r.ID))
	switch r.State {
	case client.RequestStateDenied:
		return access.Errorf(access.KindDenied, "request %s is denied: %s", id, r.Why)
	case client.RequestStateWithdrawn, client.RequestStateLapsed:
		return access.Errorf(access.KindConflict, "request %s is %s", id, r.State)
	default:
	}
	for _, g := range r.Grants {
		if g.State == client.GrantStateEnded || g.State == client.GrantStateRevoking {
			return access.Errorf(access.KindConflict, "there is no access to %s: %s", g.Entitlement, endText(g))
		}
	}
	return nil
}

// tellRequest says where a request of the caller's stands and what to do next.
func (p *program) tellRequest(r client.Request) {
	id := access.Short(access.RequestID(r.ID))
	if r.AskedBy != "" && r.State == client.RequestStateApproved {
		p.say("Request %s is approved; its access is for %s, who alone can open the credential.", id, r.Principal)
		return
	}
	switch r.State {
	case client.RequestStatePending:
		p.say("Request %s is %s; it lapses %s.", id, waitsFor(r), until(r.LapsesAt, time.Now()))
		if waitsForMe(r) {
			p.say("Confirm it by:        curfew confirm %s", id)
		}
		if len(r.Stages) > 0 {
			p.say("A reviewer runs:      curfew approve %s", id)
		}
		p.say("You take it back by:  curfew withdraw %s", id)
	case client.RequestStateApproved:
		p.say("Request %s is approved.", id)
		for _, g := range r.Grants {
			p.tellGrant(g)
		}
	default: // outcome says it
	}
}

// tellGrant says where a grant stands and how to use it.
func (p *program) tellGrant(g client.Grant) {
	id := access.Short(access.GrantID(g.ID))
	switch g.State {
	case client.GrantStateScheduled, client.GrantStateActivating:
		if waitsForStart(g) {
			p.say("%s for %s begins %s.", g.Entitlement, shortText(g.Duration), until(g.StartAt, time.Now()))
			p.say("Call it off:          curfew return %s", id)
			return
		}
		p.say("%s for %s is on its way.", g.Entitlement, shortText(g.Duration))
	case client.GrantStateActive:
		p.say("%s is yours; it ends %s.", g.Entitlement, until(g.Deadline, time.Now()))
	default:
		return
	}
	if g.Account != "" {
		p.say("Use the log-in that you have there: %s", g.Account)
	} else {
		p.say("Get the credential:   curfew credential %s", id)
	}
	p.say("Give it back early:   curfew return %s", id)
}
