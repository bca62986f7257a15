package redis

import (
	"context"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Check reads whether the server can be reached and used: that it is one node's primary, that it has every command that
// permissions name, the account's privileges, the observer's sight and the clock.
func (d *driver) Check(ctx context.Context) (health connector.Health, err error) {
	err = d.in(ctx, "be used", func(c *protocol.Client) (err error) {
		if health, err = d.checkServer(ctx, c); err != nil {
			return err
		}
		if err := d.checkAccount(ctx, c); err != nil {
			return err
		}
		return d.checkCommands(ctx, c)
	})
	if err != nil {
		return connector.Health{}, err
	}
	if err := d.checkObserver(ctx); err != nil {
		return connector.Health{}, err
	}
	return health, nil
}

func (d *driver) checkServer(ctx context.Context, c *protocol.Client) (connector.Health, error) {
	before := d.clock.Now()
	now, err := c.Time(ctx).Result()
	if err != nil {
		return connector.Health{}, err
	}
	// The server read its clock somewhere between our two readings.
	middle := before.Add(d.clock.Now().Sub(before) / 2)
	info, err := c.InfoMap(ctx, "server", "replication", "cluster").Result()
	if err != nil {
		return connector.Health{}, err
	}
	switch {
	case info["Replication"]["role"] != "master":
		return connector.Health{}, access.Errorf(access.KindMisconfigured, "The connector %s leads to a replica. The url must lead to the primary.", d.name)
	case info["Cluster"]["cluster_enabled"] == "1":
		return connector.Health{}, access.Errorf(access.KindMisconfigured, "The connector %s leads to a node of a cluster, whose nodes each have users of their own. Clusters are not supported.", d.name)
	}
	return connector.Health{Version: info["Server"]["redis_version"], Skew: now.Sub(middle)}, nil
}

// checkAccount has the server say what Curfew's account may do, without doing it.
func (d *driver) checkAccount(ctx context.Context, c *protocol.Client) error {
	const key, somebody = fencePrefix + "check", "somebody"
	for _, command := range [][]any{
		{"ACL", "SETUSER", somebody, "on"}, {"ACL", "DELUSER", somebody}, {"ACL", "LIST"}, {"CLIENT", "KILL", "USER", somebody},
		{"SET", key, "", "PXAT", "1"}, {"WATCH", key}, {"EXISTS", key}, {"MULTI"}, {"DEL", key}, {"EXEC"}, {"UNWATCH"},
	} {
		if allowed, err := d.mayRun(ctx, c, command); err != nil {
			return err
		} else if !allowed {
			return access.Errorf(access.KindMisconfigured,
				"The account %q of the connector %s may not run %v. An operator must grant it; the connector's page has the statements.", d.config.Username, d.name, command)
		}
	}
	// Whoever may do these is no account for Curfew alone.
	for _, command := range [][]any{{"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"GET", "curfew"}} {
		if allowed, err := d.mayRun(ctx, c, command); err != nil {
			return err
		} else if allowed {
			return access.Errorf(access.KindMisconfigured,
				"The account %q of the connector %s may run %v, which it does not need. Give it one that is for Curfew alone; the connector's page has the statements.", d.config.Username, d.name, command[0])
		}
	}
	return nil
}

func (d *driver) mayRun(ctx context.Context, c *protocol.Client, command []any) (bool, error) {
	said, err := c.Do(ctx, append([]any{"ACL", "DRYRUN", d.config.Username}, command...)...).Text()
	return said == "OK", err
}

// checkObserver makes the positive control of Observe.
func (d *driver) checkObserver(ctx context.Context) error {
	var seen users
	var open sessions
	err := d.observers.with(ctx, func(c *protocol.Client) (err error) {
		seen, open, err = d.readAll(ctx, c, nil)
		return err
	})
	switch {
	case err != nil:
		return d.fail(ctx, err, "read back")
	case seen.target == "":
		return d.nameless()
	case !open.seesOwn:
		return access.Errorf(access.KindMisconfigured, "The account that reads back for the connector %s does not see its own connection. An operator must correct observer_username.", d.name)
	}
	return nil
}

// checkCommands looks whether the server has what permissions name.
func (d *driver) checkCommands(ctx context.Context, c *protocol.Client) error {
	names := []any{"COMMAND", "INFO"}
	for _, r := range d.config.Resources {
		for _, p := range r.Permissions {
			for _, rule := range p.Commands {
				if rule[1] != '@' {
					names = append(names, rule[1:])
				}
			}
		}
	}
	const words = 2
	if len(names) == words {
		return nil // COMMAND INFO would tell of all there are
	}
	known, err := c.Do(ctx, names...).Slice()
	if err != nil {
		return err
	}
	for i, info := range known {
		if info == nil && i+words < len(names) {
			return access.Errorf(access.KindMisconfigured, "The connector %s leads to a server without the command %q. An operator must correct the permission that names it.", d.name, names[i+words])
		}
	}
	return nil
}
