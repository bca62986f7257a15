package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// driver binds accounts to roles of one cluster. It is immutable but for its connections and its probes.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config
	// users: users of the cluster's are bound, and no accounts are made.
	users  bool
	api    *client
	probes probes
}

var _ connector.Driver = (*driver)(nil)

// Open makes the driver. It reads the certificates and connects when the first call needs it.
func (c *Config) Open(env connector.Env) (connector.Driver, error) { return open(*c, env, false) }

func open(c Config, env connector.Env, users bool) (connector.Driver, error) {
	api, err := newClient(c)
	if err != nil {
		return nil, err
	}
	c.Permissions, c.Namespaces = maps.Clone(c.Permissions), slices.Clone(c.Namespaces)
	return &driver{name: env.Name, clock: env.Clock, config: c, users: users, api: api}, nil
}

func (d *driver) usersServer() string { return cmp.Or(d.config.UsersServer, d.api.server) }

// Close closes the connections, after the calls that are under way.
func (d *driver) Close() error {
	d.api.close()
	d.probes.clear()
	return nil
}

// cluster reads which cluster this is: the UID of a namespace that every cluster has and nobody can delete.
func (d *driver) cluster(ctx context.Context) (string, error) {
	var n namespace
	if err := d.api.get(ctx, path("/api/v1/namespaces", "kube-system"), &n); err != nil {
		return "", err
	}
	if n.Metadata.UID == "" {
		return "", access.Errorf(access.KindUnavailable, "The API server of the connector %s does not say which cluster it is of.", d.name)
	}
	return n.Metadata.UID, nil
}

// sameCluster fails unless the plan was made for this cluster.
func (d *driver) sameCluster(ctx context.Context, v plan) error {
	cluster, err := d.cluster(ctx)
	if err == nil && cluster != v.Cluster {
		err = access.Errorf(access.KindMisconfigured, "The connector %s leads to another cluster than the one that this access was given in. An operator must correct server.", d.name)
	}
	return err
}

// Prepare reads whether the order can work and plans the binding.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	v, err := d.prepare(ctx, o)
	if err != nil {
		return access.Plan{}, d.fail(ctx, err, "prepare")
	}
	return v.encode()
}

func (d *driver) prepare(ctx context.Context, o connector.Order) (plan, error) {
	permission, err := d.permission(o.Entitlement)
	if err != nil {
		return plan{}, err
	}
	v := plan{Binding: baseName(o), Role: permission.ref(), Grant: labelValue(string(o.Grant)), Mark: o.Mark}
	if !permission.WholeCluster {
		if err := d.checkNamespace(ctx, o.Entitlement.Resource); err != nil {
			return plan{}, err
		}
		v.Namespace = o.Entitlement.Resource
	}
	if d.users {
		if v.User, err = d.checkUser(o.Account); err != nil {
			return plan{}, err
		}
	} else {
		v.Accounts = d.config.AccountsNamespace
	}
	r, err := d.readRole(ctx, v.Role, v.Namespace)
	if err != nil {
		return plan{}, err
	}
	if err := d.checkRole(o.Entitlement.Permission, permission, r, v.Namespace); err != nil {
		return plan{}, err
	}
	v.Action, _ = actionOf(r.Rules, v.Namespace)
	v.Cluster, err = d.cluster(ctx)
	return v, err
}

// permission is what an entitlement stands for, if it can be asked for on that resource at all.
func (d *driver) permission(e access.Entitlement) (Permission, error) {
	p, ok := d.config.Permissions[e.Permission]
	if !ok || p.WholeCluster != (e.Resource == wholeCluster) {
		return p, access.Errorf(access.KindNotFound, "The connector %s has no permission %q on %q.", d.name, e.Permission, e.Resource)
	}
	return p, nil
}

// Grant makes the binding, then the account and its token, then gives the account the role. An earlier account of the grant loses
// it with the same request.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	var out connector.Outcome
	err := d.act(ctx, o, p, "give access", func(ctx context.Context, v plan) error {
		if err := d.sameCluster(ctx, v); err != nil {
			return err
		}
		b, existed, err := d.makeBinding(ctx, o, v)
		switch {
		case err != nil:
			return err
		case d.users:
			return d.bind(ctx, v, b, subject{APIGroup: rbacGroup, Kind: kindUser, Name: v.User}, time.Time{})
		case len(o.Recipient) == 0:
			out.NativeExpiry = o.Deadline // of a binding for nobody
			return nil
		}
		out, err = d.giveAccount(ctx, o, v, b)
		if err != nil || !existed {
			return err
		}
		return d.removeAccounts(ctx, v, accountName(v.Binding, o.Attempt))
	})
	if err != nil {
		return connector.Outcome{}, err
	}
	return out, nil
}

// giveAccount makes an account with a token, and gives it the role.
func (d *driver) giveAccount(ctx context.Context, o connector.Order, v plan, b *binding) (connector.Outcome, error) {
	a, err := d.makeAccount(ctx, o, v)
	if err != nil {
		return connector.Outcome{}, err
	}
	token, expires, err := d.issue(ctx, a, o.Deadline)
	if err != nil {
		return connector.Outcome{}, err
	}
	if err := d.bind(ctx, v, b, a.subject(), expires); err != nil {
		return connector.Outcome{}, err
	}
	config, err := d.kubeconfig(v, token)
	return connector.Outcome{NativeExpiry: expires, Credential: &access.Credential{
		Username: a.subject().user(), Password: token, URI: d.usersServer(), Files: map[string]string{"KUBECONFIG": config},
	}}, err
}

// bind gives the role to the subject, and waits until the server has taken notice.
func (d *driver) bind(ctx context.Context, v plan, b *binding, s subject, expires time.Time) error {
	if err := d.give(ctx, v, b, s, expires); err != nil {
		return err
	}
	return d.awaitNotice(ctx, v, s, true)
}

// Extend moves nothing, because a token expires when it was made to expire; the next one will live longer. It fails where the
// access is not there, for it makes none.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	return d.act(ctx, o, p, "extend the access", func(ctx context.Context, v plan) error {
		if err := d.sameCluster(ctx, v); err != nil {
			return err
		}
		b, err := d.readBinding(ctx, v)
		if err == nil && b == nil {
			err = access.Errorf(access.KindNotFound, "There is no live access of this grant at the connector %s.", d.name)
		}
		return err
	})
}

// act calls f while the order may still act.
func (d *driver) act(ctx context.Context, o connector.Order, p access.Plan, doing string, f func(context.Context, plan) error) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return err
	}
	ctx, cancel := connector.Until(ctx, d.clock, o)
	defer cancel()
	return d.fail(ctx, f(ctx, v), doing)
}

// Revoke deletes the binding, then the accounts: rights end with the one, log-ins with the others. What a token gave is gone when
// it returns. That servers take the token for a while for somebody without any right is said by Traits.Residual, and read back with a probe.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	return connector.Removal{}, d.fail(ctx, d.revoke(ctx, v), "take back access")
}

func (d *driver) revoke(ctx context.Context, v plan) error {
	b, err := d.readBinding(ctx, v)
	if errors.Is(err, errForeign) {
		return access.Errorf(access.KindConflict, "The binding %q at the connector %s does not bear its grant's mark any more. An operator must look at it, and delete it if it is Curfew's.", v.where(), d.name)
	}
	if err != nil {
		return err
	}
	if b != nil {
		if _, err := absent(d.api.delete(ctx, v.path(), b.Metadata.UID)); err != nil {
			return err
		}
	}
	if err := d.retireAccounts(ctx, v); err != nil {
		return err
	}
	var subjects []subject
	switch {
	case b != nil:
		subjects = b.Subjects
	case v.User != "": // an earlier call may have been told that the server had not taken notice; of accounts Traits.Residual is enough
		subjects = []subject{{APIGroup: rbacGroup, Kind: kindUser, Name: v.User}}
	}
	for _, s := range subjects {
		if err := d.awaitNotice(ctx, v, s, false); err != nil {
			return err
		}
	}
	return nil
}

// Tidy deletes accounts that an order made which came late. They have no rights.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	v, err := decodePlan(p)
	if err != nil {
		return "", err
	}
	err = d.sameCluster(ctx, v)
	if err == nil {
		err = d.removeAccounts(ctx, v, "")
	}
	return "", d.fail(ctx, err, "tidy")
}
