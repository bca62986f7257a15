package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/planted"
)

// lookBefore reads what is there before the grant holds it. What is present while no grant holds it is standing access,
// unless it is marked as made for one of our grants; what a grant holds stays what it was found to be, unless it is gone.
func (e *Engine) lookBefore(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) error {
	if t == nil {
		return nil
	}
	seen, err := e.look(ctx, conn, o, p, t)
	if err != nil {
		return err
	}
	bare := conn.Type().Traits.Provenance == connector.BareRight
	for i := range t.rights {
		r := &t.rights[i]
		switch a := seen.atom(r.Atom.Atom); {
		case a.State == connector.Unknown:
			return access.Errorf(access.KindUnavailable, "It cannot be read what was there before, so nothing is given yet.")
		case a.State == connector.Absent:
			r.Standing = false
		case a.Foreign:
			r.Standing = true
		case len(r.others) == 0:
			r.Standing = bare
		}
		if len(r.others) == 0 && (r.Maker == "" || seen.atom(r.Atom.Atom).State == connector.Absent) {
			r.Maker, r.MarkGeneration = t.grant, t.markGeneration
		}
	}
	return nil
}

// sight is what was read of several rights.
type sight struct {
	atoms    []connector.AtomPresence
	sessions int
	readBy   string
}

func (s sight) atom(a access.Atom) connector.AtomPresence {
	for _, p := range s.atoms {
		if p.Atom == a {
			return p
		}
	}
	return connector.AtomPresence{Atom: a, State: connector.Unknown}
}

// look reads every right of the turn.
func (e *Engine) look(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) (sight, error) {
	var seen sight
	err := e.eachMaker(ctx, o, p, t, func(heldRight) bool { return true }, func(o connector.Order, p access.Plan) error {
		presence, err := conn.Observe(ctx, o, p)
		seen.atoms = append(seen.atoms, presence.Atoms...)
		seen.sessions += presence.Sessions
		seen.readBy = presence.ReadBy
		return err
	})
	return seen, err
}

// eachMaker calls f with an order and a plan for the rights that fit, together for those that bear one grant's mark.
func (e *Engine) eachMaker(ctx context.Context, o connector.Order, p access.Plan, t *turn, fits func(heldRight) bool, f func(connector.Order, access.Plan) error) error {
	byMaker, generations := map[access.GrantID][]access.Atom{}, map[access.GrantID]int{}
	var makers []access.GrantID
	for _, r := range t.rights {
		if !fits(r) {
			continue
		}
		maker, generation := r.Maker, r.MarkGeneration
		if maker == "" {
			maker, generation = t.grant, t.markGeneration
		}
		if byMaker[maker] == nil {
			makers = append(makers, maker)
		}
		byMaker[maker], generations[maker] = append(byMaker[maker], r.Atom.Atom), generation
	}
	for _, maker := range makers {
		o, p := o, p
		mark, err := e.mark(ctx, t.rights[0].Connector, maker, generations[maker])
		if err != nil {
			return err
		}
		o.Mark, o.ActBy = mark, t.actBy
		p.Atoms = byMaker[maker]
		if err := f(o, p); err != nil {
			return err
		}
	}
	return nil
}

// give makes the access that the plan describes: an object of the grant's own, or those of its rights that nothing else
// has made.
func (e *Engine) give(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) (connector.Outcome, error) {
	if t == nil {
		return conn.Grant(ctx, o, p)
	}
	missing := func(r heldRight) bool { return !r.Standing }
	return connector.Outcome{}, e.eachMaker(ctx, o, p, t, missing, func(o connector.Order, p access.Plan) error {
		_, err := conn.Grant(ctx, o, p)
		return err
	})
}

// takeAway removes the access: the grant's own object, or those of its rights that nothing else explains. An answer is
// no proof: some targets give it before they have done what they were told. So a turn is unsettled until readBack.
func (e *Engine) takeAway(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) (connector.Removal, error) {
	if t == nil {
		return conn.Revoke(ctx, o, p)
	}
	var sum connector.Removal
	unexplained := func(r heldRight) bool { return r.keptBy() == "" }
	err := e.eachMaker(ctx, o, p, t, unexplained, func(o connector.Order, p access.Plan) error {
		t.unsettled = true
		removal, err := conn.Revoke(ctx, o, p)
		sum.SessionsEnded += removal.SessionsEnded
		if removal.ResidualUntil.After(sum.ResidualUntil) {
			sum.ResidualUntil = removal.ResidualUntil
		}
		return err
	})
	return sum, err
}

// keptBy says what else holds the right: standing access, or another grant that is not on its way out; empty when
// nothing does.
func (r heldRight) keptBy() string {
	if r.Standing && !planted.Active(planted.PreImageIgnored) {
		return access.KeptByStanding
	}
	for _, g := range r.others {
		if planted.Active(planted.ReferenceCountSkipped) {
			break
		}
		if g.State == access.GrantActivating || g.State == access.GrantActive {
			return string(g.ID)
		}
	}
	return ""
}

// reading is what was read back of access that was removed.
type reading struct {
	// by is who read it.
	by string
	// issued is whether what was issued still works, of an object of the grant's own.
	issued connector.AtomState
	// keptBy is what still explains some of it, as in access.Grant.
	keptBy string
}

// readBack reads whether the access is gone, or explained by something else. Anything else is an error.
func (e *Engine) readBack(ctx context.Context, conn *connector.Connector, o connector.Order, p access.Plan, t *turn) (reading, error) {
	if t == nil {
		presence, err := conn.Observe(ctx, o, p)
		if err != nil {
			return reading{}, err
		}
		return reading{by: presence.ReadBy, issued: presence.Issued}, gone(presence.State())
	}
	seen, err := e.look(ctx, conn, o, p, t)
	if err != nil {
		return reading{}, err
	}
	var kept []string
	for i := range t.rights {
		r := &t.rights[i]
		a := seen.atom(r.Atom.Atom)
		// Somebody else has given what was ours to remove, or what another grant holds too.
		r.Standing = r.Standing && a.State != connector.Absent || a.State == connector.Present && a.Foreign
		if a.State == connector.Present && r.keptBy() != "" {
			kept = append(kept, r.keptBy())
			continue
		}
		if err := gone(a.State); err != nil {
			return reading{}, err
		}
	}
	t.unsettled = false
	slices.Sort(kept)
	return reading{by: seen.readBy, keptBy: strings.Join(slices.Compact(kept), " ")}, nil
}

// gone is nil for what was read as absent.
func gone(s connector.AtomState) error {
	if planted.Active(planted.EndedWithoutObserve) {
		return nil
	}
	switch s {
	case connector.Absent:
		return nil
	case connector.Present:
		return access.Errorf(access.KindUnavailable, "The access was removed, and yet reading it back shows it.")
	default:
		return access.Errorf(access.KindUnavailable, "The access was removed, and reading it back shows nothing at all; blind is not gone.")
	}
}
