package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// callOffLimit bounds how long taking back may take, however the command has ended.
	callOffLimit = 30 * time.Second
	// newestRequests is how many of the caller's requests are looked through for one whose answer was lost. It is among the newest.
	newestRequests = 100
)

// callOff takes back what was asked for and will not be used any more, however far that has come: what still waits is
// withdrawn, and what was granted is given back. The context may have ended. It says what it did where the child's
// output is not.
func (p *program) callOff(ctx context.Context, c *client.Client, ours client.Request) error {
	if ours.ID == "" && len(ours.Recipient) == 0 {
		return nil // nothing was asked for
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callOffLimit)
	defer cancel()
	r, err := asItStands(ctx, c, ours)
	if err != nil {
		return fmt.Errorf("it cannot be told what became of the request; `curfew requests` shows it, and `curfew withdraw` takes it back: %w", err)
	}
	if r.ID == "" {
		return nil // it was never taken
	}
	if r.State == client.RequestStatePending {
		if r, err = withdrawn(ctx, c, r); err != nil {
			return fmt.Errorf("request %s goes on; `curfew withdraw %[1]s` takes it back: %w", access.Short(access.RequestID(r.ID)), err)
		}
	}
	if r.State == client.RequestStateWithdrawn {
		fmt.Fprintf(p.stderr, "curfew: request %s (%s) is withdrawn\n", access.Short(access.RequestID(r.ID)), display(asked(r)))
	}
	return errors.Join(p.giveBack(ctx, c, r.Grants), p.forgetRequest(r))
}

// asItStands reads a request anew. One whose answer was lost is found by the key that came with it, which no other has: the
// server may still be at it, and is given a moment. If it is not there then, it was never taken, and has no ID.
func asItStands(ctx context.Context, c *client.Client, ours client.Request) (client.Request, error) {
	if ours.ID != "" {
		return decode[client.Request](c.GetRequest(ctx, ours.ID, nil))
	}
	taken := func(r client.Request) bool { return r.ID != "" }
	return poll(ctx, client.Request{}, taken, func() (r client.Request, err error) {
		list, err := decode[client.RequestList](c.ListRequests(ctx, &client.ListRequestsParams{
			Scope: client.ListRequestsParamsScopeMine, Limit: newestRequests,
		}))
		if i := slices.IndexFunc(list.Items, func(r client.Request) bool { return bytes.Equal(r.Recipient, ours.Recipient) }); i >= 0 {
			r = list.Items[i]
		}
		return r, err
	})
}

// withdrawn withdraws a request, or returns it as it was decided meanwhile.
func withdrawn(ctx context.Context, c *client.Client, r client.Request) (client.Request, error) {
	left, err := decode[client.Request](c.WithdrawRequest(ctx, r.ID))
	if access.KindOf(err) == access.KindConflict {
		left, err = decode[client.Request](c.GetRequest(ctx, r.ID, nil))
	}
	if err != nil {
		return r, err
	}
	return left, nil
}

// giveBack returns the grants that have not ended.
func (p *program) giveBack(ctx context.Context, c *client.Client, grants []client.Grant) error {
	var errs []error
	for _, g := range grants {
		if g.State == client.GrantStateEnded {
			continue
		}
		left, err := decode[client.Grant](c.ReturnGrant(ctx, g.ID))
		if err == nil {
			left, err = gone(ctx, c, left)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s is not given back, and ends in its time: %w", g.Entitlement, err))
			continue
		}
		fmt.Fprintf(p.stderr, "curfew: grant %s (%s) is given back: %s\n", access.Short(access.GrantID(g.ID)), display(g.Entitlement), grantNote(left, time.Now()))
		errs = append(errs, p.forgetEnded([]client.Grant{left}))
	}
	return errors.Join(errs...)
}

// forgetRequest removes the key of a request under which nothing will be issued any more.
func (p *program) forgetRequest(r client.Request) error {
	keys, err := p.openKeyring()
	if err != nil {
		return err
	}
	defer keys.close()
	return forgetSettled(keys, r)
}
