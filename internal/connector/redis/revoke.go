package redis

import (
	"context"
	"strings"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Revoke removes the user and its connections in one step.
func (d *driver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	r := one(ctx, d.RevokeBatch, connector.Task{Order: o, Plan: p})
	return r.Removal, r.Err
}

// RevokeBatch looks whether the users are Curfew's, and removes them together.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	all := readPlans(tasks, func(place int, err error) { out[place].Err = err })
	if len(all.plans) == 0 {
		return out
	}
	there, err := d.readUsers(ctx, all.names()...)
	var remove readable
	for i, v := range all.plans {
		place := all.places[i]
		switch {
		case err != nil:
			out[place].Err = d.fail(ctx, err, "look at users")
		case d.checkOurs(v, there) != nil:
			out[place].Err = d.checkOurs(v, there)
		case there.of[v.User].exists:
			remove.places, remove.plans = append(remove.places, place), append(remove.plans, v)
		}
	}
	if len(remove.plans) == 0 {
		return out
	}
	ended, err := d.remove(ctx, remove.names())
	for i, place := range remove.places {
		if err != nil {
			out[place].Err = d.fail(ctx, err, "remove users")
			continue
		}
		out[place].Removal.SessionsEnded = ended[i]
	}
	return out
}

// remove ends the connections of users, counts them, and deletes the users, in one transaction: nobody can log in between.
// Whatever a connection does (a transaction, MONITOR, a subscription, a command that waits) it is closed. That a user is gone
// meanwhile is no error.
func (d *driver) remove(ctx context.Context, names []string) (ended []int, err error) {
	kills := make([]*protocol.IntCmd, len(names))
	deletion := []any{"ACL", "DELUSER"}
	var deleted *protocol.Cmd
	// Its error is the first of any command; each is looked at below.
	_, _ = d.client.TxPipelined(ctx, func(p protocol.Pipeliner) error {
		for i, name := range names {
			kills[i] = p.ClientKillByFilter(ctx, "USER", name)
			deletion = append(deletion, name)
		}
		deleted = p.Do(ctx, deletion...)
		return nil
	})
	if err := deleted.Err(); err != nil {
		return nil, err
	}
	ended = make([]int, len(names))
	for i, kill := range kills {
		if err := kill.Err(); err != nil && !strings.Contains(err.Error(), "No such user") {
			return nil, err
		}
		ended[i] = int(kill.Val())
	}
	return ended, nil
}

// Tidy has nothing to do: what a user wrote is the data's owner's.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	if _, err := decodePlan(p); err != nil {
		return "", err
	}
	_, err := d.readUsers(ctx)
	return "", d.fail(ctx, err, "tidy")
}
