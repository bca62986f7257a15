package redis

import (
	"cmp"
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
	err := d.in(ctx, "remove users", func(c *protocol.Client) error {
		there, err := d.readUsers(ctx, c, all.names()...)
		if err != nil {
			return err
		}
		var ours readable
		for i, v := range all.plans {
			if err := d.checkOurs(v, there); err != nil {
				out[all.places[i]].Err = err
			} else if there.of[v.User].exists {
				ours.places, ours.plans = append(ours.places, all.places[i]), append(ours.plans, v)
			}
		}
		ended, err := remove(ctx, c, ours.names())
		for i, n := range ended {
			out[ours.places[i]].Removal.SessionsEnded = n
		}
		return err
	})
	if err != nil {
		for _, place := range all.places {
			out[place] = connector.Revocation{Err: cmp.Or(out[place].Err, err)}
		}
	}
	return out
}

// remove ends the connections of users, counts them, and deletes the users, in one transaction: nobody can log in between.
// Whatever a connection does (a transaction, MONITOR, a subscription, a command that waits) it is closed. That a user is gone
// meanwhile is no error.
func remove(ctx context.Context, c *protocol.Client, names []string) (ended []int, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	kills := make([]*protocol.IntCmd, len(names))
	deletion := []any{"ACL", "DELUSER"}
	var deleted *protocol.Cmd
	// Its error is the first of any command; each is looked at below.
	_, _ = c.TxPipelined(ctx, func(p protocol.Pipeliner) error {
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
	return "", d.in(ctx, "tidy", d.answers(ctx))
}
