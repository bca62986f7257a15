package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/curfewhq/curfew/internal/connector"
)

// The calls of the functions for many roles at once: one round trip, and one commit.
const (
	callCloseAll = `SELECT jsonb_agg(pg_temp.curfew_close(o) ORDER BY n) FROM jsonb_array_elements($1) WITH ORDINALITY AS x(o, n)`
	callEndAll   = `SELECT jsonb_agg(pg_temp.curfew_end(o) ORDER BY n) FROM jsonb_array_elements($1) WITH ORDINALITY AS x(o, n)`
)

// RevokeBatch implements connector.BatchRevoker. Roles that nothing is in the way of are closed in one transaction, and
// ended and dropped in another. All others are left to Revoke: what only part of them could do, it repeats to no harm.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	gone := d.revokeTogether(ctx, tasks, out)
	for i, t := range tasks {
		if gone[i] {
			continue
		}
		ended := out[i].Removal.SessionsEnded
		out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan)
		if out[i].Err == nil {
			out[i].Removal.SessionsEnded += ended
		}
	}
	return out
}

// revokeTogether takes back what needs no care of its own, and reports which tasks that were. An error of one is none
// here: it keeps them all from being done together, and Revoke will meet it.
func (d *driver) revokeTogether(ctx context.Context, tasks []connector.Task, out []connector.Revocation) (gone []bool) {
	gone = make([]bool, len(tasks))
	roles := planned(tasks)
	var closing []closed
	if len(roles) < 2 || d.call(ctx, callCloseAll, orders(roles), &closing) != nil || len(closing) != len(roles) {
		return gone
	}
	ending := roles[:0:0]
	for i, c := range closing {
		if c.Found && !c.Held {
			ending = append(ending, roles[i])
		}
	}
	var left []remains
	if len(ending) == 0 || d.call(ctx, callEndAll, orders(ending), &left) != nil || len(left) != len(ending) {
		return gone
	}
	for i, r := range left {
		task := ending[i].task
		out[task].Removal.SessionsEnded = r.SessionsEnded
		gone[task] = r.Dropped
	}
	return gone
}

// plannedRole is what one of the tasks is about.
type plannedRole struct {
	plan
	task int
}

// planned reads the plans of the tasks, in the order of their roles: transactions that take the same locks take them in
// the same order. What cannot be read is left out.
func planned(tasks []connector.Task) []plannedRole {
	var list []plannedRole
	for i, t := range tasks {
		if v, err := decodePlan(t.Plan); err == nil {
			list = append(list, plannedRole{v, i})
		}
	}
	slices.SortFunc(list, func(a, b plannedRole) int { return cmp.Compare(a.Role, b.Role) })
	return list
}

func orders(roles []plannedRole) []order {
	list := make([]order, len(roles))
	for i, r := range roles {
		list[i] = r.order()
		list[i].Drop = true
	}
	return list
}

// ObserveBatch implements connector.BatchObserver: one statement reads all roles.
func (d *driver) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	var plans []plan
	var of []int
	for i, t := range tasks {
		v, err := decodePlan(t.Plan)
		if err != nil {
			out[i].Err = err
			continue
		}
		plans, of = append(plans, v), append(of, i)
	}
	states, err := d.readStates(ctx, d.observer, plans)
	if sqlState(err) == statePermissionDenied {
		states, err = make([]state, len(plans)), nil // blind
	}
	for n, i := range of {
		if err != nil {
			out[i].Err = d.fail(ctx, err, "read the log-in back")
			continue
		}
		out[i].Presence = states[n].presence(plans[n])
	}
	return out
}

var (
	_ connector.BatchRevoker  = (*driver)(nil)
	_ connector.BatchObserver = (*driver)(nil)
)
