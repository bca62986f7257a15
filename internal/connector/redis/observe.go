package redis

import (
	"context"
	"errors"
	"fmt"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Observe reads the user and its connections in one step, as the observer if there is one.
func (d *driver) Observe(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
	read := one(ctx, d.ObserveBatch, connector.Task{Order: o, Plan: p})
	return read.Presence, read.Err
}

// ObserveBatch reads all users and all connections in one transaction.
func (d *driver) ObserveBatch(ctx context.Context, tasks []connector.Task) []connector.Observation {
	out := make([]connector.Observation, len(tasks))
	all := readPlans(tasks, func(place int, err error) { out[place].Err = err })
	var there users
	var open sessions
	err := d.fail(ctx, d.observers.with(ctx, func(c *protocol.Client) (err error) {
		there, open, err = d.readAll(ctx, c, all.names())
		return err
	}), "read back")
	for i, v := range all.plans {
		if err != nil {
			out[all.places[i]].Err = err
			continue
		}
		out[all.places[i]].Presence = d.presence(v, there, open)
	}
	return out
}

func (d *driver) readAll(ctx context.Context, c *protocol.Client, names []string) (users, sessions, error) {
	var a asked
	var id *protocol.IntCmd
	var list *protocol.StringCmd
	err := pipeline(ctx, c.TxPipelined, func(p protocol.Pipeliner) {
		a = d.askUsers(ctx, p, names...)
		id, list = p.ClientID(ctx), p.ClientList(ctx)
	})
	if err != nil {
		return users{}, sessions{}, err
	}
	if err := errors.Join(id.Err(), list.Err()); err != nil {
		return users{}, sessions{}, err
	}
	there, err := a.read()
	return there, sessionsOf(list.Val(), id.Val(), d.observers.username), err
}

// presence is what the engine is told. The positive control is Curfew's own account, which bears the identity of the plan's
// server, and the reader's own connection in the list of all.
func (d *driver) presence(v plan, there users, open sessions) connector.Presence {
	sees := there.target == v.Target && open.seesOwn
	state := connector.Unknown
	switch u := there.of[v.User]; {
	case u.exists && u.mark() == v.Mark && there.target == v.Target:
		state = connector.Present
	case !u.exists && sees:
		state = connector.Absent
	}
	presence := connector.Presence{
		Atoms:    []connector.AtomPresence{{Atom: v.atom(), State: state}},
		Sessions: open.of[v.User],
	}
	if sees {
		presence.ReadBy = fmt.Sprintf("%s, who sees the account %s and its own connection on the server %s", d.observers.username, d.config.Username, v.Target)
	}
	return presence
}
