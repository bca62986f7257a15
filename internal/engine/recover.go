package engine

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// recoverPage is how many requests or grants one transaction of a recovery takes.
	recoverPage = 100
	// recoverTries is how often a page is tried that other nodes are at.
	recoverTries = 100
)

// Recover draws the consequences of a restore of the store, before anything else is done with it. The books are of the
// past: nobody knows what was returned, revoked or denied after the backup was taken. So what may be at a target is taken
// back, and what was not begun is not begun. Another node may be at the same, and a recovery that was cut short goes on.
//
// What was made after the backup was taken is at the targets and not in the books; only comparing the targets finds it.
func (e *Engine) Recover(ctx context.Context) error {
	var open []store.Restore
	err := e.cfg.Store.View(ctx, func(tx store.Tx) error {
		open = nil
		list, err := tx.Restores().List(e.cfg.Tenant)
		for _, r := range list {
			if r.SettledAt.IsZero() {
				open = append(open, r)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := e.recover(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) recover(ctx context.Context, r store.Restore) error {
	for _, step := range []func(*change, store.Restore, store.Page) (string, error){(*change).lapseRestored, (*change).takeBackRestored} {
		if err := e.pages(ctx, r, step); err != nil {
			return err
		}
	}
	return lost(e.update(ctx, txRecover, func(c *change) error {
		if err := c.Restores().Settle(r.Tenant, r.At, c.Now()); err != nil {
			return err
		}
		return c.record(access.Event{Kind: access.EventStoreRestored, Detail: map[string]string{
			"restored_at": momentOrNone(r.At), "taken_at": momentOrNone(r.TakenAt),
			"kept_position": strconv.FormatInt(r.Kept.Position, 10), "kept_event": string(r.Kept.Event),
			"lost_position": positionOrNone(r.Lost), "lost_event": string(r.Lost.Event),
			"void_tokens": strconv.Itoa(len(r.VoidTokens)),
		}})
	}))
}

func momentOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func positionOrNone(p store.Place) string {
	if p.Position == 0 {
		return ""
	}
	return strconv.FormatInt(p.Position, 10)
}

// pages goes through a list, each page in a transaction of its own. It ends early when another node has settled the
// restore: from then on that one serves, and what it makes is none of this.
func (e *Engine) pages(ctx context.Context, r store.Restore, step func(*change, store.Restore, store.Page) (next string, err error)) error {
	page := store.Page{Limit: recoverPage}
	for tries := 0; ; {
		var next string
		err := e.update(ctx, txRecover, func(c *change) (err error) {
			next = ""
			if settled, err := c.settled(r); err != nil || settled {
				return err
			}
			next, err = step(c, r, page)
			return err
		})
		switch {
		case is(err, access.KindConflict) && tries < recoverTries:
			tries++ // another node was at the same page; what it did is there now
			continue
		case err != nil:
			return err
		case next == "":
			return nil
		}
		page.After, tries = next, 0
	}
}

// settled reports whether all was done that follows from a restore.
func (c *change) settled(r store.Restore) (bool, error) {
	list, err := c.Restores().List(r.Tenant)
	return slices.ContainsFunc(list, func(o store.Restore) bool { return o.At.Equal(r.At) && !o.SettledAt.IsZero() }), err
}

// whyRestored is what the entries of a recovery say.
func whyRestored(r store.Restore) string {
	if r.TakenAt.IsZero() {
		return "The store was restored."
	}
	return "The store was restored from a backup of " + r.TakenAt.UTC().Format(time.RFC3339) + "."
}

// lapseRestored ends the waiting of the requests on a page: who has denied one since is not known.
func (c *change) lapseRestored(restored store.Restore, page store.Page) (next string, err error) {
	requests, next, err := c.Requests().List(c.engine.cfg.Tenant, store.RequestFilter{State: access.RequestPending}, page)
	if err != nil {
		return "", err
	}
	for _, r := range requests {
		ev := access.Event{Detail: map[string]string{"why": whyRestored(restored)}}
		if err := c.settleRequest(&r, access.RequestLapsed, ev); err != nil {
			return "", err
		}
	}
	return next, nil
}

// takeBackRestored takes back the live grants on a page and ends those that were not begun.
func (c *change) takeBackRestored(restored store.Restore, page store.Page) (next string, err error) {
	grants, next, err := c.Grants().List(c.engine.cfg.Tenant, store.GrantFilter{Unended: true}, page)
	if err != nil {
		return "", err
	}
	for _, g := range grants {
		if err := c.takeBackOne(restored, g); err != nil {
			return "", err
		}
	}
	return next, nil
}

func (c *change) takeBackOne(restored store.Restore, g access.Grant) error {
	ev := access.Event{Detail: map[string]string{"why": whyRestored(restored)}}
	switch g.State {
	case access.GrantScheduled:
		return c.end(&g, access.EndRevoked, ev)
	case access.GrantActivating, access.GrantActive:
		conn, err := c.engine.connector(g.Entitlement.Connector)
		if err != nil {
			return err
		}
		g.EndReason = access.EndRevoked
		// A credential may have been issued after the backup was taken, by an order of which nothing is known and which may
		// be under way: the read that ends the grant is one that begins when it no longer can.
		g.ActBy = c.Now().Add(leaseFor(conn))
		c.due(&g)
		return c.beginRevoking(&g, ev)
	default:
		return nil
	}
}
