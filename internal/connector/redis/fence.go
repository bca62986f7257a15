package redis

import (
	"context"
	"crypto/rand"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/connector"
)

// fencePrefix begins the keys that orders live by.
const fencePrefix = "curfew:order:"

// fenced changes users while the order may act, and never after. Redis runs no ACL command in a script, which could ask for
// the time; but it carries no transaction out when a key has expired that is watched. So each order has a key of its own that
// expires at ActBy, by the server's clock. Whoever touches the key only keeps the order from being carried out.
//
// read is called between watching and changing; what it refuses is not changed.
func (d *driver) fenced(ctx context.Context, c *protocol.Client, o connector.Order, v plan, change func(protocol.Pipeliner)) error {
	fence := fencePrefix + rand.Text()
	by := o.ActBy.UnixMilli() // rounded down: never too late
	if by <= 0 {
		return connector.TooLate(d.name)
	}
	if err := c.Do(ctx, "SET", fence, "", "PXAT", by).Err(); err != nil {
		return err
	}
	return c.Watch(ctx, func(tx *protocol.Tx) error {
		var a asked
		var lives *protocol.IntCmd
		err := pipeline(ctx, tx.Pipelined, func(p protocol.Pipeliner) {
			a = d.askUsers(ctx, p, v.User)
			lives = p.Exists(ctx, fence)
		})
		if err != nil {
			return err
		}
		there, err := a.read()
		if err != nil {
			return err
		}
		switch {
		case lives.Err() != nil:
			return lives.Err()
		case lives.Val() == 0:
			return connector.TooLate(d.name) // a key that expired before it was watched stops nothing
		}
		if err := d.checkOurs(v, there); err != nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p protocol.Pipeliner) error {
			change(p)
			p.Del(ctx, fence)
			return nil
		})
		return err
	}, fence)
}
