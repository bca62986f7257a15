package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/store"
)

// findMissing ends the active grants whose access somebody removed at the target. Absent counts when two reads say so,
// each with its positive control.
func (s *survey) findMissing(ctx context.Context) error {
	page := store.Page{Limit: booksPage}
	for first := true; first || page.After != ""; first = false {
		var active []access.Grant
		err := s.cfg.Store.View(ctx, func(tx store.Tx) error {
			items, next, err := tx.Grants().List(s.lane.Tenant, store.GrantFilter{Connector: s.lane.Connector, Unended: true}, page)
			active = slices.DeleteFunc(items, func(g access.Grant) bool { return g.State != access.GrantActive })
			page.After = next
			return err
		})
		if err != nil {
			return err
		}
		for _, g := range active {
			if err := s.checkActive(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *survey) checkActive(ctx context.Context, g access.Grant) error {
	traits := s.conn.Type().Traits
	if s.sighted[g.ID] && !traits.Shared() || expiring(g, s.began) {
		return nil
	}
	if traits.Settle > 0 && g.ActivatedAt.Add(activationLimit+traits.Settle).After(s.began) {
		return nil // what was just made need not be visible yet
	}
	plan, err := s.openPlan(ctx, g.ID)
	if err != nil {
		return err
	}
	order, err := s.order(ctx, g, access.Request{})
	if err != nil {
		return err
	}
	for range 2 {
		presence, err := s.conn.Observe(ctx, order, plan)
		if err != nil {
			s.Unread++
			s.cfg.Log.WarnContext(ctx, "cannot tell whether an active grant's access is there", "grant", g.ID, "error", err)
			return nil
		}
		if !missing(presence) {
			return nil
		}
	}
	ends := false
	err = s.update(ctx, txMissing, func(c *change) error {
		g := g
		if ends = !expiring(g, c.Now()); !ends {
			return nil
		}
		g.EndReason = access.EndRemovedAtTarget
		c.due(&g)
		return c.beginRevoking(&g, access.Event{})
	})
	if err == nil && ends {
		s.Missing++
	}
	return lost(err)
}

// expiring reports whether the grant's time is up, or will be at once. Then its access may be gone because the target
// has ended it, or a node to which the store was away, and no owner has to do with it.
func expiring(g access.Grant, now time.Time) bool { return !now.Add(lateMargin).Before(g.Deadline) }

// missing reports whether some of what a grant holds was seen to be gone, and all of it was seen.
func missing(p connector.Presence) bool {
	is := func(want connector.AtomState) bool {
		return slices.ContainsFunc(p.Atoms, func(a connector.AtomPresence) bool { return a.State == want })
	}
	return is(connector.Absent) && !is(connector.Unknown)
}

// lookAgain looks at shared rights whose grants ended in the last day, and at those that were found there later and are
// still open.
func (s *survey) lookAgain(ctx context.Context) error {
	if !s.conn.Type().Traits.Shared() {
		return nil
	}
	var found []store.Dropped
	// First what was found already, so that a later grant of the same right does not hide it.
	for _, f := range s.inOrder() {
		if f.Kind == access.FindingAfterEnd && f.State == access.FindingOpen && f.Mark == "" {
			found = append(found, store.Dropped{Grant: f.Grant, Atom: f.Atom})
		}
	}
	var dropped []store.Dropped
	err := s.cfg.Store.View(ctx, func(tx store.Tx) (err error) {
		dropped, err = tx.Atoms().Dropped(s.lane, s.began.Add(-reobserve), maxReobserved)
		return err
	})
	if err != nil {
		return err
	}
	if len(dropped) == maxReobserved {
		s.cfg.Log.WarnContext(ctx, "more rights have ended in a day than are looked at again", "connector", s.lane.Connector, "limit", maxReobserved)
	}
	looked := map[access.Atom]bool{}
	for _, d := range append(found, dropped...) {
		if looked[d.Atom] {
			continue
		}
		looked[d.Atom] = true
		plan, err := s.openPlan(ctx, d.Grant)
		if err != nil {
			return err
		}
		plan.Atoms = []access.Atom{d.Atom}
		if err := s.examine(ctx, access.FindingAfterEnd, d.Grant, access.Sighting{Atom: d.Atom, Plan: plan}); err != nil {
			return err
		}
	}
	return nil
}

// examine looks at a shared right that was a grant's which has ended, in a turn of its own, and reports it when it is
// there and nothing explains it. It is removed if it is ours: by its mark, or because the target lets orders of ours take
// effect late. A right that nobody can tell from an owner's own is left to the owner.
func (s *survey) examine(ctx context.Context, kind access.FindingKind, id access.GrantID, found access.Sighting) error {
	about := thing{kind, id, found.Mark, found.Atom}
	now, err := s.cfg.Store.Now(ctx)
	if err != nil {
		return err
	}
	as := turn{holder: s.cfg.IDs.New("look_"), grant: id, actBy: now.Add(leaseFor(s.conn))}
	t, err := s.beginTurn(ctx, s.conn, as, []access.Atom{found.Atom})
	if _, busy := errors.AsType[errNotYourTurn](err); busy {
		s.Unread++
		s.there[about] = true
		return nil
	}
	if err != nil {
		return err
	}
	defer s.endTurn(ctx, t)
	r := &t.rights[0]
	if found.Mark != "" {
		_, by := s.authorOf(found.Mark)
		r.Standing, r.Maker, r.MarkGeneration = false, id, by.generation // the mark says whose it is
	}
	if len(r.others) > 0 || r.Standing {
		s.there[about] = true // explained now, which does not undo that it was found
		return nil
	}
	o := connector.Order{Grant: id, Mark: found.Mark, Tenant: s.lane.Tenant}
	seen, err := s.look(ctx, s.conn, o, found.Plan, t)
	a := seen.atom(found.Atom)
	switch {
	case err != nil || a.State == connector.Unknown:
		return s.unread(ctx, about, err)
	case a.State == connector.Absent || found.Mark != "" && a.Foreign:
		return nil
	}
	remove, err := s.report(ctx, kind, id, found)
	traits := s.conn.Type().Traits
	ours := !a.Foreign && (traits.Provenance == connector.MarkedRight || traits.LateEffect)
	if err != nil || !remove || !ours {
		return err
	}
	if _, err := s.takeAway(ctx, s.conn, o, found.Plan, t); err != nil {
		return s.unread(ctx, about, err)
	}
	if _, err := s.readBack(ctx, s.conn, o, found.Plan, t); err != nil {
		return s.unread(ctx, about, err)
	}
	delete(s.there, about)
	return nil
}
