package redis

import (
	"context"
	"iter"
	"maps"
	"slices"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
)

// Discover yields what is configured, once the server has answered.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		if err := d.in(ctx, "say what can be asked for", d.answers(ctx)); err != nil {
			yield(access.Resource{}, err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
			r := d.config.Resources[name]
			permissions := slices.Sorted(maps.Keys(r.Permissions))
			if !yield(access.Resource{Name: name, Labels: r.Labels, Permissions: permissions}, nil) {
				return
			}
		}
	}
}

// List yields every user that bears a mark.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		var lines []string
		var target string
		err := d.in(ctx, "list the users that it made", func(c *protocol.Client) (err error) {
			lines, target, err = d.readList(ctx, c)
			return err
		})
		if err != nil {
			yield(access.Sighting{}, err)
			return
		}
		for _, line := range lines {
			name, mark := markedUser(line)
			if name == "" {
				continue
			}
			v := plan{User: name, Mark: mark, Target: target}
			p, err := v.encode()
			if err != nil {
				yield(access.Sighting{}, err)
				return
			}
			if !yield(access.Sighting{Mark: mark, Atom: v.atom(), Note: "a user", Plan: p}, nil) {
				return
			}
		}
	}
}

// readList reads the rules of all users, and the identity of the server.
func (d *driver) readList(ctx context.Context, c *protocol.Client) (lines []string, target string, err error) {
	var list *protocol.StringSliceCmd
	var a asked
	err = pipeline(ctx, c.TxPipelined, func(p protocol.Pipeliner) {
		list = p.ACLList(ctx)
		a = d.askUsers(ctx, p)
	})
	if err != nil {
		return nil, "", err
	}
	there, err := a.read()
	switch {
	case err != nil:
		return nil, "", err
	case there.target == "":
		return nil, "", d.nameless()
	}
	return list.Val(), there.target, list.Err()
}
