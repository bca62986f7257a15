package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// waitStep is how long one call waits. Between two of them the progress is brought up to date.
const waitStep = 10 * time.Second

// await waits until the request's access is there or will not be. When the time is up, the request as it stands then
// comes with an error that says what is pending.
func (p *program) await(ctx context.Context, c *client.Client, r client.Request, timeout time.Duration) (client.Request, error) {
	show := p.newProgress()
	defer show.stop()
	deadline := time.Now().Add(timeout)
	for !begun(r) {
		show.set(waitsFor(r))
		left := time.Until(deadline)
		if left <= 0 {
			return r, access.Errorf(access.KindTimeout, "timed out after %s: request %s is still %s",
				shortText(timeout.String()), access.Short(access.RequestID(r.ID)), waitsFor(r))
		}
		next, err := waitOnce(ctx, c, r.ID, min(left, waitStep))
		if errors.Is(err, context.Canceled) {
			return r, fmt.Errorf("request %s is still %s: %w", access.Short(access.RequestID(r.ID)), waitsFor(r), err)
		}
		if err != nil {
			return r, err
		}
		r = next
	}
	return r, nil
}

// goesOn says of a request that it stays when nobody waits for it any more.
func goesOn(r client.Request, err error) error {
	if !errors.Is(err, context.Canceled) && access.KindOf(err) != access.KindTimeout {
		return err
	}
	return fmt.Errorf("%w. It stays; `curfew withdraw %s` takes it back", err, access.Short(access.RequestID(r.ID)))
}

// waitOnce reads a request, which the server holds back for a while if nothing is decided yet.
func waitOnce(ctx context.Context, c *client.Client, id string, wait time.Duration) (client.Request, error) {
	return decode[client.Request](c.GetRequest(ctx, id, &client.GetRequestParams{Wait: max(wait, time.Millisecond).String()}))
}

// begun reports whether nothing is left to wait for: the access is there, or will not be.
func begun(r client.Request) bool {
	if r.State != client.RequestStateApproved {
		return r.State != client.RequestStatePending
	}
	return !slices.ContainsFunc(r.Grants, starting)
}

func starting(g client.Grant) bool {
	return g.State == client.GrantStateActivating || (g.State == client.GrantStateScheduled && !waitsForStart(g))
}

// waitsForStart reports whether a grant was scheduled for later.
func waitsForStart(g client.Grant) bool {
	return g.State == client.GrantStateScheduled && g.StartAt.After(g.CreatedAt)
}

// waitsFor says what a request waits for, behind "is".
func waitsFor(r client.Request) string {
	if r.State == client.RequestStatePending {
		text := "waiting for " + reviewsText(r.Stages)
		switch {
		case waitsForMe(r) && len(r.Stages) == 0:
			text = "waiting for a passkey to confirm it"
		case waitsForMe(r):
			text += " and for a passkey to confirm it"
		}
		if n := len(r.Reviews); n > 0 {
			text += fmt.Sprintf(" (%d given)", n)
		}
		return text
	}
	var coming []string
	for _, g := range r.Grants {
		if starting(g) {
			coming = append(coming, g.Entitlement)
		}
	}
	if len(coming) == 0 {
		return string(r.State)
	}
	return "activating " + strings.Join(coming, ", ")
}

// reviewsText says whose reviews are missing.
func reviewsText(stages []client.Stage) string {
	if len(stages) == 0 {
		return "a review"
	}
	texts := make([]string, len(stages))
	for i, s := range stages {
		texts[i] = "a review by " + strings.Join(s.From, " or ")
		if s.Count > 1 {
			texts[i] = fmt.Sprintf("%d reviews by %s", s.Count, strings.Join(s.From, " or "))
		}
		if s.Mfa {
			texts[i] += " with a passkey"
		}
		if !s.Fallback.At.IsZero() {
			texts[i] += fmt.Sprintf(" (%s also by %s)", until(s.Fallback.At, time.Now()), strings.Join(s.Fallback.From, " or "))
		}
	}
	return strings.Join(texts, " and ")
}
