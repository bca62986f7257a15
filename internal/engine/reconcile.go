package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// maxSightings bounds what is listed at one target.
	maxSightings = 200_000
	// maxKnown bounds the findings of one connector that are open or accepted. What comes on top is logged, and found
	// again when some are closed.
	maxKnown = 10_000
	// reobserve is how long a shared right is looked at again after a grant of it has ended: a directory's sync may put
	// a member back.
	reobserve = 24 * time.Hour
	// maxReobserved bounds the rights that are looked at again.
	maxReobserved = 1000
	// booksPage is how many grants are read from the books at once.
	booksPage = 200
)

// Comparison is what a Reconcile saw and did.
type Comparison struct {
	// Sighted counts what bears a mark at the target.
	Sighted int
	// Opened counts new findings, Gone those that are not there any more, Missing the grants whose access was removed at
	// the target.
	Opened, Gone, Missing int
	// Unread counts what could not be read, or is worked on at this moment; the next time tells.
	Unread int
}

// thing is what a finding is about: the same thing again is the same finding.
type thing struct {
	kind  access.FindingKind
	grant access.GrantID
	mark  access.Mark
	atom  access.Atom
}

func thingOf(f access.Finding) thing { return thing{f.Kind, f.Grant, f.Mark, f.Atom} }

// survey is one comparison under way.
type survey struct {
	*Engine
	Comparison
	conn  *connector.Connector
	lane  store.Lane
	began time.Time
	// known are the findings that are open or accepted.
	known map[thing]access.Finding
	// there are the things of this survey that are at the target, or may be.
	there map[thing]bool
	// sighted are the grants whose mark is at the target.
	sighted map[access.GrantID]bool
}

// Reconcile compares a target with the books. The target is read first, so that whatever is made meanwhile is in the books
// when they are asked. What bears our own mark and no grant explains is removed; what somebody else made is reported and
// left alone; a grant whose access somebody removed ends and is not made again. Its error is one of the store, or of the
// target as a whole; what cannot be read of single things is counted.
func (e *Engine) Reconcile(ctx context.Context, lane store.Lane) (Comparison, error) {
	conn, err := e.connector(lane.Connector)
	if err != nil {
		return Comparison{}, err
	}
	s := &survey{
		Engine: e, conn: conn, lane: lane, known: map[thing]access.Finding{}, there: map[thing]bool{}, sighted: map[access.GrantID]bool{},
	}
	if s.began, err = e.cfg.Store.Now(ctx); err != nil {
		return Comparison{}, err
	}
	if err := s.learn(ctx); err != nil {
		return Comparison{}, err
	}
	sightings, err := s.list(ctx)
	if err != nil {
		return Comparison{}, err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.explain(ctx, sightings) }, s.findMissing, s.lookAgain, s.closeGone,
	} {
		if err := step(ctx); err != nil {
			return s.Comparison, err
		}
	}
	return s.Comparison, nil
}

// learn reads what is known already.
func (s *survey) learn(ctx context.Context) error {
	for _, state := range []access.FindingState{access.FindingOpen, access.FindingAccepted} {
		page := store.Page{Limit: booksPage}
		for first := true; (first || page.After != "") && len(s.known) < maxKnown; first = false {
			err := s.cfg.Store.View(ctx, func(tx store.Tx) error {
				items, next, err := tx.Findings().List(s.lane.Tenant, store.FindingFilter{Connector: s.lane.Connector, State: state}, page)
				for _, f := range items {
					s.known[thingOf(f)] = f
				}
				page.After = next
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads everything at the target that bears a mark.
func (s *survey) list(ctx context.Context) ([]access.Sighting, error) {
	var list []access.Sighting
	for found, err := range s.conn.List(ctx) {
		if err != nil {
			return nil, err
		}
		if len(list) == maxSightings {
			return nil, access.Errorf(access.KindExhausted, "More than %d things at the connector %s bear a mark.", maxSightings, s.lane.Connector)
		}
		list = append(list, bounded(found))
	}
	s.Sighted = len(list)
	// Whatever key has made a mark that was read is in the store by now.
	return list, s.cfg.Sealer.Refresh(ctx)
}

// explain holds what was sighted against the books.
func (s *survey) explain(ctx context.Context, sightings []access.Sighting) error {
	for chunk := range slices.Chunk(sightings, booksPage) {
		grants, err := s.grantsOf(ctx, chunk)
		if err != nil {
			return err
		}
		for _, found := range chunk {
			who, by := s.authorOf(found.Mark)
			switch who {
			case byOthers:
				_, err = s.report(ctx, access.FindingForeign, "", found)
			case byNobody:
				_, err = s.report(ctx, access.FindingForged, "", found)
			case byUs:
				s.sighted[by.grant] = true
				err = s.explainOurs(ctx, by, grants, found)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// grantsOf reads from the books the grants whose marks were sighted.
func (s *survey) grantsOf(ctx context.Context, sightings []access.Sighting) (map[access.GrantID]access.Grant, error) {
	var grants map[access.GrantID]access.Grant
	err := s.cfg.Store.View(ctx, func(tx store.Tx) error {
		grants = map[access.GrantID]access.Grant{}
		for _, found := range sightings {
			_, by := s.authorOf(found.Mark)
			g, err := tx.Grants().Get(s.lane.Tenant, by.grant)
			if err != nil && !is(err, access.KindNotFound) {
				return err
			}
			if err == nil {
				grants[by.grant] = g
			}
		}
		return nil
	})
	return grants, err
}

// explainOurs removes what we made, unless its grant has not ended, or ended after the target was read.
func (s *survey) explainOurs(ctx context.Context, by author, grants map[access.GrantID]access.Grant, found access.Sighting) error {
	if _, configured := s.rules.Load().Connectors[by.connector]; configured && by.connector != s.lane.Connector {
		return nil // another connector leads to the same target, and compares for itself
	}
	kind := access.FindingOrphan
	if g, ok := grants[by.grant]; ok {
		if g.State != access.GrantEnded || !g.EndedAt.Before(s.began) {
			return nil
		}
		kind = access.FindingAfterEnd
	}
	if kind == access.FindingOrphan && planted.Active(planted.OrphanIgnored) {
		return nil
	}
	if s.conn.Type().Traits.Shared() {
		return s.examine(ctx, kind, by.grant, found)
	}
	return s.removeObject(ctx, kind, by.grant, found)
}

// removeObject removes an object of a grant's own that no grant explains. What gives no access is no finding.
func (s *survey) removeObject(ctx context.Context, kind access.FindingKind, id access.GrantID, found access.Sighting) error {
	o := connector.Order{Grant: id, Mark: found.Mark, Tenant: s.lane.Tenant}
	about := thing{kind, id, found.Mark, found.Atom}
	presence, err := s.conn.Observe(ctx, o, found.Plan)
	switch state := presence.State(); {
	case err != nil || state == connector.Unknown:
		return s.unread(ctx, about, err)
	case state == connector.Absent:
		return s.tidyOrphan(ctx, kind, o, found.Plan)
	}
	if remove, err := s.report(ctx, kind, id, found); err != nil || !remove {
		return err
	}
	if _, err := s.conn.Revoke(ctx, o, found.Plan); err != nil {
		return s.unread(ctx, about, err)
	}
	if _, err := s.readBack(ctx, s.conn, o, found.Plan, nil); err != nil {
		return s.unread(ctx, about, err)
	}
	delete(s.there, about)
	return s.tidyOrphan(ctx, kind, o, found.Plan)
}

// tidyOrphan tidies what a grant has left that the books do not have; the others tidy up for themselves.
func (s *survey) tidyOrphan(ctx context.Context, kind access.FindingKind, o connector.Order, p access.Plan) error {
	if kind != access.FindingOrphan {
		return nil
	}
	if left, err := s.conn.Tidy(ctx, o, p); err != nil || left != "" {
		s.cfg.Log.WarnContext(ctx, "what an unknown grant left is still there", "connector", s.lane.Connector, "grant", o.Grant, "left", left, "error", err)
	}
	return nil
}

// report keeps a finding of what is there. remove is false for what an administrator has accepted.
func (s *survey) report(ctx context.Context, kind access.FindingKind, id access.GrantID, found access.Sighting) (remove bool, err error) {
	f := access.Finding{Connector: s.lane.Connector, Kind: kind, Grant: id, Mark: found.Mark, Atom: found.Atom, Note: found.Note}
	about := thingOf(f)
	s.there[about] = true
	if known, ok := s.known[about]; ok {
		return known.State == access.FindingOpen, nil
	}
	if len(s.known) >= maxKnown {
		s.cfg.Log.ErrorContext(ctx, "there are more findings than are kept; accept or remove some", "connector", s.lane.Connector, "kind", kind, "mark", found.Mark)
		return true, nil
	}
	f, err = s.openFinding(ctx, f)
	if is(err, access.KindConflict) {
		return false, nil // another node found it at this moment, and does what is to be done
	}
	if err != nil {
		return false, err
	}
	s.Opened++
	s.known[about] = f
	return true, nil
}

// unread notes that it is not known whether something is there.
func (s *survey) unread(ctx context.Context, about thing, err error) error {
	s.Unread++
	s.there[about] = true
	s.cfg.Log.WarnContext(ctx, "cannot tell whether this is at the target", "connector", s.lane.Connector, "grant", about.grant, "right", about.atom.Right, "error", err)
	return nil
}

// inOrder lists the findings that are known in the order in which they were found, so that the same comparison does the
// same in the same order.
func (s *survey) inOrder() []access.Finding {
	return slices.SortedFunc(maps.Values(s.known), func(a, b access.Finding) int { return cmp.Compare(a.ID, b.ID) })
}

// closeGone closes what is not there any more, whoever removed it.
func (s *survey) closeGone(ctx context.Context) error {
	for _, f := range s.inOrder() {
		if s.there[thingOf(f)] || f.State != access.FindingOpen {
			continue
		}
		if err := s.goneFinding(ctx, f); err != nil {
			return err
		}
		s.Gone++
	}
	return nil
}
