package mongodb

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// endTries bounds how often we look whether the user's operations have ended: the server ends one when it comes to a point at
// which it can.
const endTries = 8

// Revoke drops the user: nobody logs in as it any more, and the server refuses what comes on connections on which somebody
// has. Then it ends what was under way.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	removal, err := d.remove(ctx, v)
	return removal, d.fail(ctx, err, "take the access back")
}

// remove does not ask which replica set this is: no other has a user of this name, and reading back does ask.
func (d *driver) remove(ctx context.Context, v plan) (connector.Removal, error) {
	before, err := d.curfew.operations(ctx, v.name())
	if err != nil {
		return connector.Removal{}, err
	}
	found, there, err := d.curfew.find(ctx, v.name())
	switch {
	case err != nil:
		return connector.Removal{}, err
	case there && found.Custom.Mark != v.Mark:
		return connector.Removal{}, access.Errorf(access.KindConflict,
			"The user %s of the connector %s does not bear the mark of this grant. An operator must look at it, and drop it if it is Curfew's.", v.name(), d.name)
	}
	if there, err = d.curfew.drop(ctx, v.name()); err != nil {
		return connector.Removal{}, err
	}
	if err := d.end(ctx, v.name()); err != nil {
		return connector.Removal{}, err
	}
	if !there {
		return connector.Removal{SessionsEnded: active(before)}, nil
	}
	return connector.Removal{SessionsEnded: len(before)}, nil
}

// end ends the operations of a user that is gone, until there are none.
func (d *driver) end(ctx context.Context, name userName) error {
	if err := d.curfew.killSessions(ctx, name); err != nil {
		return err
	}
	once := func() (struct{}, error) {
		all, err := d.curfew.operations(ctx, name)
		if err != nil {
			return struct{}{}, backoff.Permanent(err)
		}
		for _, o := range all {
			if !o.Active {
				continue
			}
			// What belongs to no session is killed by itself.
			if err := d.curfew.kill(ctx, o.ID); err != nil {
				return struct{}{}, backoff.Permanent(err)
			}
		}
		if n := active(all); n > 0 {
			return struct{}{}, access.Errorf(access.KindUnavailable, "%d operations of the user %s are still ending.", n, name)
		}
		return struct{}{}, nil
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 5 * time.Millisecond
	wait.MaxInterval = 500 * time.Millisecond
	_, err := backoff.Retry(ctx, once, backoff.WithBackOff(wait), backoff.WithMaxTries(endTries))
	return err
}

// Observe reads the user, and what runs under its name.
func (d *driver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Presence{}, err
	}
	presence, err := d.read(ctx, v)
	if err != nil {
		return connector.Presence{}, d.fail(ctx, err, "read the access back")
	}
	return presence, nil
}

func (d *driver) read(ctx context.Context, v plan) (connector.Presence, error) {
	if err := d.at(ctx, d.observer, v); err != nil {
		return connector.Presence{}, err
	}
	if _, err := d.observer.primary(ctx); err != nil {
		return connector.Presence{}, err
	}
	found, there, err := d.observer.find(ctx, v.name())
	if err != nil {
		return connector.Presence{}, err
	}
	under, err := d.observer.operations(ctx, v.name())
	if err != nil {
		return connector.Presence{}, err
	}
	state, sessions := connector.Present, len(under)
	switch {
	case !there:
		// An idle connection of a user that is gone gives no access: the next command on it is refused.
		state, sessions = connector.Absent, active(under)
	case found.Custom.Mark != v.Mark:
		state, sessions = connector.Unknown, 0 // somebody has taken our mark away, or made another in the place of ours
	}
	return connector.Presence{
		Atoms: []connector.AtomPresence{{Atom: v.atom(), State: state}}, Sessions: sessions,
		ReadBy: fmt.Sprintf("%s, who sees itself and its own connection at the primary of the replica set %s", d.observer.self, v.Set),
	}, nil
}

// Tidy has nothing to do: what a user made belongs to the database.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	v, err := decodePlan(p)
	if err != nil {
		return "", err
	}
	return "", d.fail(ctx, d.at(ctx, d.curfew, v), "tidy")
}

// List yields every user of ours in the database in which they are made.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		set, err := d.observer.replicaSet(ctx)
		if err == nil {
			_, err = d.observer.primary(ctx)
		}
		var all []user
		if err == nil {
			all, err = d.observer.marked(ctx, d.config.AuthDatabase)
		}
		if err != nil {
			yield(access.Sighting{}, d.fail(ctx, err, "list what it made"))
			return
		}
		for _, u := range all {
			v := plan{User: u.Name.User, DB: u.Name.DB, Mark: u.Custom.Mark, Roles: u.Roles, Set: set}
			p, err := v.encode()
			if !yield(access.Sighting{Mark: v.Mark, Atom: v.atom(), Note: note(u), Plan: p}, err) || err != nil {
				return
			}
		}
	}
}

func note(u user) string {
	roles := make([]string, len(u.Roles))
	for i, r := range u.Roles {
		roles[i] = r.String()
	}
	return fmt.Sprintf("the user %s with the roles %s", u.Name, strings.Join(roles, ", "))
}
