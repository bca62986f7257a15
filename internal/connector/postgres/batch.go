package postgres

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/connector"
)

// RevokeBatch implements connector.BatchRevoker. Roles under which nothing goes on are closed in one transaction, and dropped
// in another. All others are left to Revoke: what only part of them could do, it repeats to no harm.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	gone := d.dropPlain(ctx, tasks)
	for i, t := range tasks {
		if !gone[i] {
			out[i].Removal, out[i].Err = d.Revoke(ctx, t.Order, t.Plan)
		}
	}
	return out
}

// dropPlain takes back what needs no care of its own, and reports which tasks that were. An error is none here: it keeps what
// one account has made from being done together, and Revoke will meet it.
func (d *driver) dropPlain(ctx context.Context, tasks []connector.Task) (gone []bool) {
	gone = make([]bool, len(tasks))
	if len(tasks) < 2 {
		return gone // Revoke does one with no more work
	}
	made := d.byAccount(tasks)
	// All are closed before any is dropped: each drop makes the server forget what it knows of our memberships, and closing
	// asks for it.
	forEach(made, func(m *madeBy) error {
		return call(ctx, m.pool, callCloseAll, m.roles, &m.closed)
	})
	forEach(made, func(m *madeBy) error {
		if len(m.closed) == 0 {
			return nil
		}
		return call(ctx, m.pool, callDropAll, slices.Collect(maps.Values(m.closed)), &m.dropped)
	})
	for _, m := range made {
		for i, role := range m.roles {
			oid, closed := m.closed[role.Role]
			gone[m.tasks[i]] = closed && slices.Contains(m.dropped, oid)
		}
	}
	return gone
}

// madeBy are roles that one account has made.
type madeBy struct {
	pool  *pgxpool.Pool
	roles []order
	// tasks has the place of the task of each role.
	tasks []int
	// closed has the OIDs of those that were closed, by role.
	closed  map[string]uint32
	dropped []uint32
}

// byAccount sorts out who has made what. Tasks whose plan cannot be read are left out.
func (d *driver) byAccount(tasks []connector.Task) []*madeBy {
	var all []*madeBy
	for i, t := range tasks {
		v, err := decodePlan(t.Plan)
		if err != nil {
			continue
		}
		pool := d.poolOf(v.Account)
		n := slices.IndexFunc(all, func(m *madeBy) bool { return m.pool == pool })
		if n < 0 {
			n, all = len(all), append(all, &madeBy{pool: pool})
		}
		all[n].roles, all[n].tasks = append(all[n].roles, v.order()), append(all[n].tasks, i)
	}
	return all
}

// forEach calls f for all at once, and returns when all are done. Their errors, and panics, are none here; see dropPlain.
func forEach(all []*madeBy, f func(*madeBy) error) {
	var calls sync.WaitGroup
	for _, m := range all {
		calls.Go(func() { _ = connector.Safely(func() error { return f(m) }) })
	}
	calls.Wait()
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
