package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Of a hundred requests of a history, so many wait for a review and so many lapsed; the others were approved, and their
// grants have ended.
const (
	pendingOf100 = 2
	lapsedOf100  = 10
)

// seedHistory writes n requests into the books of an installation: each with its decision, as lists show it. The decisions
// are copies of those of two requests that are made through the front door first.
func seedHistory(ctx context.Context, i installation, n int) error {
	read, write, err := askOnce(ctx, i)
	if err != nil {
		return err
	}
	return i.books(ctx, func(s *sqlstore.SQLite) error {
		w := seeder{store: s}
		auto, err := firstDecision(ctx, s, read)
		if err != nil {
			return err
		}
		review, err := firstDecision(ctx, s, write)
		if err != nil {
			return err
		}
		return w.all(ctx, n, func(tx store.Tx, k int) error {
			// Whole rounds of holders are alike, so that nobody has more than a fair share of what is pending.
			switch part := k / (askers / 2) % 100; {
			case part < pendingOf100:
				return w.decided(tx, request(tx, k, access.RequestPending), review)
			case part < pendingOf100+lapsedOf100:
				return w.decided(tx, request(tx, k, access.RequestLapsed), review)
			default:
				return w.past(tx, request(tx, k, access.RequestApproved), auto)
			}
		})
	})
}

// askOnce runs a server for two requests: one that nobody has to agree to, and one that waits for a review.
func askOnce(ctx context.Context, i installation) (read, write access.RequestID, err error) {
	server, err := i.start(ctx, "-idle-target")
	if err != nil {
		return "", "", err
	}
	who := newCaller(server.url, i.token(newcomer(0)))
	var first, second answered
	err = errors.Join(
		who.call(ctx, http.MethodPost, "/v1/requests", askRead, &first),
		who.call(ctx, http.MethodPost, "/v1/requests", askWrite, &second),
		server.stop())
	return first.ID, second.ID, err
}

func firstDecision(ctx context.Context, s *sqlstore.SQLite, id access.RequestID) (d store.Decision, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		all, err := tx.Decisions().List(access.DefaultTenant, id)
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("request %s has no decision", id)
		}
		if err == nil {
			d = all[0]
		}
		return err
	})
	return d, err
}

// decided writes a request with its decision.
func (w seeder) decided(tx store.Tx, r access.Request, d store.Decision) error {
	if err := tx.Requests().Insert(r); err != nil {
		return err
	}
	d.Request, d.At = r.ID, r.CreatedAt
	return tx.Decisions().Append(d)
}

// past writes a request whose grant has ended.
func (w seeder) past(tx store.Tx, r access.Request, d store.Decision) error {
	if err := w.decided(tx, r, d); err != nil {
		return err
	}
	g := grantOf(r)
	g.Deadline = r.CreatedAt.Add(time.Hour)
	g.State, g.EndReason, g.EndedAt, g.VerifiedAt, g.VerifiedBy = access.GrantEnded, access.EndReturned, r.CreatedAt, r.CreatedAt, "curfew (saw itself)"
	return tx.Grants().Insert(g)
}
