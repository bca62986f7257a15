package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// groupDriver makes accounts that are there members of groups. Each membership is an atom that several grants may hold.
type groupDriver struct {
	*driver
	// marked: each membership has room for a mark.
	marked bool
}

var _ connector.Driver = (*groupDriver)(nil)

// GroupDriver connects to the target as a driver of memberships, of provenance connector.MarkedRight or
// connector.BareRight. The clock is Curfew's own.
func (t *Target) GroupDriver(clock access.Clock, p connector.Provenance) connector.Driver {
	return &groupDriver{driver: &driver{target: t, clock: clock}, marked: p == connector.MarkedRight}
}

// groupPlan says in a plan's body which driver it is for; the atoms say everything else.
type groupPlan struct {
	Groups bool `json:"groups"`
}

func newGroupPlan(atoms ...access.Atom) (access.Plan, error) {
	body, err := json.Marshal(groupPlan{Groups: true})
	return access.Plan{Atoms: atoms, Body: body}, err
}

// Prepare implements connector.Driver.
func (d *groupDriver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	var atoms []access.Atom
	err := d.read(ctx, connector.CallPrepare, func(t *Target) error {
		if err := t.offers(o.Entitlement); err != nil {
			return err
		}
		if _, there := t.accounts[o.Account]; !there || o.Account == OwnAccount {
			return access.Errorf(access.KindNotFound, "The target has no account %q.", o.Account)
		}
		for _, group := range t.groupsOf(o.Entitlement) {
			atoms = append(atoms, access.Atom{Target: t.name, Account: o.Account, Right: group})
		}
		return nil
	})
	if err != nil {
		return access.Plan{}, err
	}
	return newGroupPlan(atoms...)
}

// each changes one atom of the plan after another, with a moment after the first.
func (d *groupDriver) each(
	ctx context.Context, call connector.Call, o connector.Order, p access.Plan, f func(*Target, membership) error,
) error {
	var body groupPlan
	if err := json.Unmarshal(p.Body, &body); err != nil || !body.Groups {
		return access.Errorf(access.KindInvalid, "The plan of this grant was not made by the memory driver for groups.")
	}
	if err := d.pass(ctx, call, BeforeEffect); err != nil {
		return err
	}
	for i, a := range p.Atoms {
		err := d.change(o, func(t *Target) error { return f(t, membership{a.Account, a.Right}) })
		if err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := d.pass(ctx, call, Midway); err != nil {
			return err
		}
	}
	return d.pass(ctx, call, AfterEffect)
}

// Grant implements connector.Driver. A membership that is there stays as it is, mark included.
func (d *groupDriver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	return connector.Outcome{}, d.each(ctx, connector.CallGrant, o, p, func(t *Target, m membership) error {
		if _, there := t.accounts[m.account]; !there {
			return access.Errorf(access.KindNotFound, "The target has no account %q.", m.account)
		}
		if _, there := t.members[m]; there {
			return nil
		}
		t.members[m] = ""
		if d.marked {
			t.members[m] = o.Mark
		}
		return nil
	})
}

// Extend implements connector.Driver. A membership has no expiry to move.
func (d *groupDriver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	return d.each(ctx, connector.CallExtend, o, p, func(t *Target, m membership) error {
		if _, there := t.members[m]; !there {
			return access.Errorf(access.KindNotFound, "The membership of this grant is not at the target.")
		}
		return nil
	})
}

// Revoke implements connector.Driver.
func (d *groupDriver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	return connector.Removal{}, d.each(ctx, connector.CallRevoke, o, p, func(t *Target, m membership) error {
		if !d.foreign(t.members[m], o) {
			delete(t.members, m)
		}
		return nil
	})
}

// foreign reports whether a membership that bears this mark is certainly not what the order's mark was given for.
func (d *groupDriver) foreign(mark access.Mark, o connector.Order) bool {
	return d.marked && mark != o.Mark
}

// Tidy implements connector.Driver. A membership leaves nothing behind.
func (d *groupDriver) Tidy(ctx context.Context, _ connector.Order, _ access.Plan) (left string, err error) {
	return "", d.read(ctx, connector.CallTidy, func(*Target) error { return nil })
}

// Observe implements connector.Driver.
func (d *groupDriver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	presence := connector.Presence{}
	err := d.read(ctx, connector.CallObserve, func(t *Target) error {
		if t.sees() {
			presence.ReadBy = OwnAccount + " (saw itself)"
		}
		for _, a := range p.Atoms {
			read := connector.AtomPresence{Atom: a, State: connector.Unknown}
			mark, there := t.members[membership{a.Account, a.Right}]
			switch {
			case !t.sees():
			case there:
				read.State, read.Foreign = connector.Present, d.foreign(mark, o)
			default:
				read.State = connector.Absent
			}
			presence.Atoms = append(presence.Atoms, read)
		}
		return nil
	})
	if err != nil {
		return connector.Presence{}, err
	}
	return presence, nil
}

// List implements connector.Driver. Where memberships have no mark there is nothing to list.
func (d *groupDriver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return stream(func() ([]access.Sighting, error) {
		var list []access.Sighting
		err := d.read(ctx, connector.CallList, func(t *Target) error {
			if !t.sees() {
				return errBlind()
			}
			for m, mark := range t.members {
				if mark == "" {
					continue
				}
				p, err := newGroupPlan(access.Atom{Target: t.name, Account: m.account, Right: m.group})
				if err != nil {
					return err
				}
				list = append(list, access.Sighting{Mark: mark, Atom: p.Atoms[0], Plan: p})
			}
			return nil
		})
		slices.SortFunc(list, func(a, b access.Sighting) int {
			return cmp.Or(cmp.Compare(a.Atom.Account, b.Atom.Account), cmp.Compare(a.Atom.Right, b.Atom.Right))
		})
		return list, err
	})
}
