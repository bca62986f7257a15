package redis

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Check reads whether the server can be reached and used: that it is one node's primary, that it has every command that
// permissions name, the account's privileges, the observer's sight and the clock.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	before := d.clock.Now()
	now, err := d.client.Time(ctx).Result()
	if err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	// The server read its clock somewhere between our two readings.
	health := connector.Health{Skew: now.Sub(before.Add(d.clock.Now().Sub(before) / 2))}
	info, err := d.client.InfoMap(ctx, "server", "replication", "cluster").Result()
	if err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	health.Version = info["Server"]["redis_version"]
	switch {
	case info["Replication"]["role"] != "master":
		return connector.Health{}, access.Errorf(access.KindMisconfigured, "The connector %s leads to a replica. The url must lead to the primary.", d.name)
	case info["Cluster"]["cluster_enabled"] == "1":
		return connector.Health{}, access.Errorf(access.KindMisconfigured, "The connector %s leads to a node of a cluster, whose nodes each have users of their own. Clusters are not supported.", d.name)
	}
	for _, check := range []func(context.Context) error{d.checkAccount, d.checkObserver, d.checkCommands} {
		if err := check(ctx); err != nil {
			return connector.Health{}, d.fail(ctx, err, "be used")
		}
	}
	return health, nil
}

// checkAccount has the server say what Curfew's account may do, without doing it.
func (d *driver) checkAccount(ctx context.Context) error {
	const key, somebody = fencePrefix + "check", "somebody"
	for _, command := range [][]any{
		{"ACL", "SETUSER", somebody, "on"}, {"ACL", "DELUSER", somebody}, {"ACL", "LIST"}, {"CLIENT", "KILL", "USER", somebody},
		{"SET", key, "", "PXAT", "1"}, {"WATCH", key}, {"EXISTS", key}, {"DEL", key},
	} {
		if allowed, err := d.mayRun(ctx, command); err != nil {
			return err
		} else if !allowed {
			return access.Errorf(access.KindMisconfigured,
				"The account %q of the connector %s may not run %v. An operator must grant it; the connector's page has the statements.", d.config.Username, d.name, command)
		}
	}
	// Whoever may do these is no account for Curfew alone.
	for _, command := range [][]any{{"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"GET", "curfew"}} {
		if allowed, err := d.mayRun(ctx, command); err != nil {
			return err
		} else if allowed {
			return access.Errorf(access.KindMisconfigured,
				"The account %q of the connector %s may run %v, which it does not need. Give it one that is for Curfew alone; the connector's page has the statements.", d.config.Username, d.name, command[0])
		}
	}
	return nil
}

func (d *driver) mayRun(ctx context.Context, command []any) (bool, error) {
	said, err := d.client.Do(ctx, append([]any{"ACL", "DRYRUN", d.config.Username}, command...)...).Text()
	return said == "OK", err
}

// checkObserver makes the positive control of Observe.
func (d *driver) checkObserver(ctx context.Context) error {
	there, err := d.readUsers(ctx)
	if err != nil {
		return err
	}
	if there.target == "" {
		return d.nameless()
	}
	seen, open, err := d.readAll(ctx, nil)
	if err != nil {
		return err
	}
	if seen.target != there.target || !open.seesOwn {
		return access.Errorf(access.KindMisconfigured, "The account that reads back for the connector %s does not see the account %q and its own connection. An operator must correct observer_username.", d.name, d.config.Username)
	}
	return nil
}

// checkCommands looks whether the server has what permissions name.
func (d *driver) checkCommands(ctx context.Context) error {
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
	known, err := d.client.Do(ctx, names...).Slice()
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
