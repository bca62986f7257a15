package dev

import (
	"context"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// takeBack revokes every grant and waits until each is read back as gone.
func (d *demo) takeBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackLimit)
	defer cancel()
	e := d.server.Engine()
	admin, err := d.server.Directory().Principal(ctx, access.PrincipalID{Issuer: access.StaticIssuer, Subject: "admin"})
	if err != nil {
		return err
	}
	live, err := unended(ctx, e, admin)
	if err != nil {
		return err
	}
	for _, g := range live {
		if _, err := e.Revoke(ctx, admin, g.ID, "the demo ends"); err != nil {
			return fmt.Errorf("taking back %s: %w", g.ID, err)
		}
	}
	if len(live) == 0 {
		return nil
	}
	fmt.Fprintf(d.Stderr, "\nTaking back %d live %s …\n", len(live), plural(len(live), "grant", "grants"))
	for _, g := range live {
		ended, err := waitEnded(ctx, e, admin, g)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.Stderr, "  %s  %s  %s\n", access.Short(g.ID), g.Entitlement, howEnded(ended))
	}
	return nil
}

func howEnded(g access.Grant) string {
	if g.VerifiedAt.IsZero() {
		return "never began"
	}
	return "gone, read back by " + g.VerifiedBy
}

func unended(ctx context.Context, e *engine.Engine, admin access.Principal) ([]access.Grant, error) {
	var all []access.Grant
	page := store.Page{Limit: 1000}
	for {
		grants, next, err := e.Grants(ctx, admin, engine.All, false, page)
		if err != nil {
			return nil, err
		}
		all = append(all, grants...)
		if next == "" {
			return all, nil
		}
		page.After = next
	}
}

// waitEnded waits until a grant has ended.
func waitEnded(ctx context.Context, e *engine.Engine, admin access.Principal, g access.Grant) (access.Grant, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := e.Grant(ctx, admin, g.ID)
		if err != nil || now.State == access.GrantEnded {
			return now, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return now, fmt.Errorf("grant %s (%s) was not read back as gone within %s: %s", g.ID, g.Entitlement, takeBackLimit, now.LastError)
		}
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
