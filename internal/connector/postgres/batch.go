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

// dropPlain takes back what needs no care of its own, and reports which tasks that were. Each account takes back what it
// made.
func (d *driver) dropPlain(ctx context.Context, tasks []connector.Task) (gone []bool) {
	gone = make([]bool, len(tasks))
	if len(tasks) < 2 {
		return gone // Revoke does one with no more work
	}
	roles := map[*pgxpool.Pool][]order{}
	of := map[string]int{} // the task of each role
	for i, t := range tasks {
		if v, err := decodePlan(t.Plan); err == nil {
			pool := d.poolOf(v.Account)
			roles[pool] = append(roles[pool], v.order())
			of[v.Role] = i
		}
	}
	var accounts sync.WaitGroup
	for pool, made := range roles {
		accounts.Go(func() {
			for _, role := range dropRoles(ctx, pool, made) {
				gone[of[role]] = true
			}
		})
	}
	accounts.Wait()
	return gone
}

// dropRoles closes and drops those roles under which nothing goes on, and names them. An error is none here: it keeps them all
// from being done together, and Revoke will meet it.
func dropRoles(ctx context.Context, pool *pgxpool.Pool, roles []order) (dropped []string) {
	var closed map[string]uint32
	if call(ctx, pool, callCloseAll, roles, &closed) != nil || len(closed) == 0 {
		return nil
	}
	var gone []uint32
	if call(ctx, pool, callDropAll, slices.Collect(maps.Values(closed)), &gone) != nil {
		return nil
	}
	for role, oid := range closed {
		if slices.Contains(gone, oid) {
			dropped = append(dropped, role)
		}
	}
	return dropped
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
