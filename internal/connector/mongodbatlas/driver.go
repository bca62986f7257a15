package mongodbatlas

import (
	"context"
	"crypto/rand"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// maxUser is how long the names of our users are at most.
	maxUser = 63
	// maxMark is what a label holds.
	maxMark = 255
	// longest is how far ahead Atlas takes a deleteAfterDate, less what its clock may be off.
	longest = 7*24*time.Hour - time.Minute
)

// driver makes a database user for each grant. It is immutable but for its token and its connections.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config
	api    *api
	closed atomic.Bool
}

var _ connector.Driver = (*driver)(nil)

// Open makes the driver. It resolves the secret, and calls nobody.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	secret, err := c.ClientSecret.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), "client_secret")
	}
	d := &driver{name: env.Name, clock: env.Clock, config: *c}
	d.config.Resources = maps.Clone(c.Resources)
	if d.api, err = newAPI(*c, secret, env.Clock); err != nil {
		return nil, connector.NewFieldError(err.Error(), "url")
	}
	return d, nil
}

// Close closes the connections.
func (d *driver) Close() error {
	d.closed.Store(true)
	d.api.client.CloseIdleConnections()
	return nil
}

// Discover yields what is configured, once Atlas has shown that it can be used.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		if _, err := d.users(ctx); err != nil {
			yield(access.Resource{}, d.fail(ctx, err, "be used"))
			return
		}
		for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
			r := d.config.Resources[name]
			if !yield(access.Resource{Name: name, Labels: r.Labels, Permissions: slices.Sorted(maps.Keys(r.Permissions))}, nil) {
				return
			}
		}
	}
}

// users reads the users of the project, while the driver is open.
func (d *driver) users(ctx context.Context) ([]user, error) {
	if d.closed.Load() {
		return nil, access.Errorf(access.KindUnavailable, "The connector %s is closed.", d.name)
	}
	return d.api.users(ctx)
}

// find looks a user up among all of them: only who may list can tell that one is not there.
func (d *driver) find(ctx context.Context, name string) (u user, there bool, err error) {
	all, err := d.users(ctx)
	i := slices.IndexFunc(all, func(u user) bool { return u.Username == name && u.Database == authDatabase })
	if err != nil || i < 0 {
		return user{}, false, err
	}
	return all[i], true, nil
}

// findOurs looks the grant's user up. One that does not bear its mark is somebody else's.
func (d *driver) findOurs(ctx context.Context, v plan) (there bool, err error) {
	found, there, err := d.find(ctx, v.User)
	if err == nil && there && found.mark() != v.Mark {
		err = access.Errorf(access.KindConflict,
			"The user %s of the connector %s does not bear the mark of this grant. An operator must look at it, and delete it if it is Curfew's.", v.User, d.name)
	}
	return there, err
}

// Prepare reads whether Atlas can be used.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	r, ok := d.config.Resources[o.Entitlement.Resource]
	if !ok {
		return access.Plan{}, access.Errorf(access.KindInvalid, "The connector %s has no such resource; curfew list shows what there is.", d.name)
	}
	permission, ok := r.Permissions[o.Entitlement.Permission]
	if !ok {
		return access.Plan{}, access.Errorf(access.KindInvalid, "The connector %s has no such permission on %q; curfew list shows what there is.", d.name, o.Entitlement.Resource)
	}
	if err := connector.CheckMark(o.Mark, maxMark); err != nil {
		return access.Plan{}, err
	}
	if err := d.notTooLong(o.Deadline); err != nil {
		return access.Plan{}, err
	}
	if _, err := d.users(ctx); err != nil {
		return access.Plan{}, d.fail(ctx, err, "be used")
	}
	return plan{
		User: connector.AccountName(o.Principal.Subject, o.Grant, maxUser), Mark: o.Mark, Roles: permission.Roles,
		Project: d.config.Project, Cluster: d.config.Cluster,
	}.encode()
}

func (d *driver) notTooLong(deadline time.Time) error {
	if deadline.Sub(d.clock.Now()) > longest {
		return access.Errorf(access.KindInvalid, "The connector %s gives access for less than a week: Atlas keeps temporary users no longer. Ask for less.", d.name)
	}
	return nil
}

// expiry is when Atlas deletes a user: it keeps seconds, so never later than the deadline.
func expiry(deadline time.Time) time.Time { return deadline.UTC().Truncate(time.Second) }

// begin makes an order's plan and context ready: an order that is late is refused, which Atlas does not do.
func (d *driver) begin(ctx context.Context, o connector.Order, p access.Plan) (context.Context, context.CancelFunc, plan, error) {
	v, err := d.plan(p)
	if err != nil {
		return nil, nil, v, err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return nil, nil, v, err
	}
	ctx, cancel := connector.Until(ctx, d.clock, o)
	return ctx, cancel, v, nil
}

// Grant makes the user. One that is there gets another password if a credential is asked for, and what the plan says of roles.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	ctx, cancel, v, err := d.begin(ctx, o, p)
	if err != nil {
		return connector.Outcome{}, err
	}
	defer cancel()
	if err := d.notTooLong(o.Deadline); err != nil {
		return connector.Outcome{}, err
	}
	password, until := rand.Text(), expiry(o.Deadline)
	if err := d.make(ctx, v, password, until, len(o.Recipient) > 0); err != nil {
		return connector.Outcome{}, d.fail(ctx, err, "make the user")
	}
	out := connector.Outcome{NativeExpiry: until}
	if len(o.Recipient) > 0 {
		c := d.credential(v, password)
		out.Credential = &c
	}
	return out, nil
}

// make leaves the user as the plan says. The password is a new user's, and that of one that is there if renew is set.
func (d *driver) make(ctx context.Context, v plan, password string, until time.Time, renew bool) error {
	there, err := d.findOurs(ctx, v)
	switch {
	case err != nil:
		return err
	case there:
		c := v.change(until)
		c.Roles, c.Scopes = v.roles(), v.scopes()
		if renew {
			c.Password = password
		}
		return d.update(ctx, c)
	}
	err = d.api.create(ctx, user{
		Project: v.Project, Username: v.User, Database: authDatabase, Password: password, DeleteAfter: &until,
		Labels: []label{{Key: "curfew", Value: string(v.Mark)}}, Roles: v.roles(), Scopes: v.scopes(),
	})
	if isStatus(err, http.StatusConflict) {
		return access.Wrap(access.KindConflict, err, "Another call made the user "+v.User+" at the same time.")
	}
	return err
}

// update changes a user that was there a moment ago.
func (d *driver) update(ctx context.Context, c change) error {
	err := d.api.update(ctx, c)
	if isStatus(err, http.StatusNotFound) {
		return access.Wrap(access.KindConflict, err, "Another call removed the user "+c.Username+" at the same time.")
	}
	return err
}

// change moves the moment at which Atlas deletes the user.
func (p plan) change(until time.Time) change {
	return change{Project: p.Project, Username: p.User, Database: authDatabase, DeleteAfter: &until}
}

func (p plan) roles() []role {
	out := make([]role, len(p.Roles))
	for i, r := range p.Roles {
		out[i] = role{Database: r.DB, Name: r.Role}
	}
	return out
}

// scopes confine the user to the cluster; without any it could log in to all of the project.
func (p plan) scopes() []scope { return []scope{{Name: p.Cluster, Type: "CLUSTER"}} }

// credential is what a user needs to reach the cluster.
func (d *driver) credential(v plan, password string) access.Credential {
	u := url.URL{
		Scheme: "mongodb+srv", User: url.UserPassword(v.User, password), Host: d.config.Host, Path: "/" + v.Roles[0].DB,
		RawQuery: url.Values{"authSource": {authDatabase}}.Encode(),
	}
	return access.Credential{Username: v.User, Password: password, URI: u.String(), Env: map[string]string{"MONGODB_URI": u.String()}}
}

// Extend moves the moment at which Atlas deletes the user. It fails where the user is not there.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	ctx, cancel, v, err := d.begin(ctx, o, p)
	if err != nil {
		return err
	}
	defer cancel()
	if err := d.notTooLong(o.Deadline); err != nil {
		return err
	}
	there, err := d.findOurs(ctx, v)
	if err == nil && !there {
		err = access.Errorf(access.KindNotFound, "The connector %s cannot extend the access: the user %s is not there.", d.name, v.User)
	}
	if err == nil {
		err = d.update(ctx, v.change(expiry(o.Deadline)))
	}
	return d.fail(ctx, err, "extend the access")
}

// Revoke deletes the user. Atlas then takes it from the cluster; reading back waits for that.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := d.plan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	if _, err = d.findOurs(ctx, v); err == nil {
		err = d.api.remove(ctx, v.User)
	}
	return connector.Removal{}, d.fail(ctx, err, "take the access back")
}

// Observe reads the users of the project, and whether the cluster has taken over every change of them. Until it has, nobody
// knows who can log in.
func (d *driver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := d.plan(p)
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
	found, there, err := d.find(ctx, v.User)
	if err != nil {
		return connector.Presence{}, err
	}
	applied, err := d.api.applied(ctx, v.Cluster)
	if err != nil {
		return connector.Presence{}, err
	}
	presence := connector.Presence{ReadBy: d.config.ClientID + ", who may list the database users of the project " + v.Project + ", and sees the status of the cluster " + v.Cluster}
	state := connector.Absent
	switch {
	case there && found.mark() != v.Mark:
		state = connector.Unknown // somebody has taken our mark away, or made another in the place of ours
	case there:
		state = connector.Present
		if found.DeleteAfter != nil {
			presence.NativeExpiry = *found.DeleteAfter
		}
	case !applied:
		state = connector.Unknown
	}
	presence.Atoms = []connector.AtomPresence{{Atom: v.atom(), State: state}}
	return presence, nil
}

// Tidy has nothing to do: what a user made belongs to the database.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	if _, err := d.plan(p); err != nil {
		return "", err
	}
	_, err := d.users(ctx)
	return "", d.fail(ctx, err, "tidy")
}

// List yields every user of the project that bears a mark.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		all, err := d.users(ctx)
		if err != nil {
			yield(access.Sighting{}, d.fail(ctx, err, "list what it made"))
			return
		}
		for _, u := range all {
			if u.mark() == "" || u.Database != authDatabase {
				continue
			}
			v := plan{User: u.Username, Mark: u.mark(), Project: d.config.Project, Cluster: d.config.Cluster}
			p, err := v.encode()
			if !yield(access.Sighting{Mark: v.Mark, Atom: v.atom(), Note: "the database user " + u.Username, Plan: p}, err) || err != nil {
				return
			}
		}
	}
}

// Check reads whether Atlas can be used. Its clock is told by no call that we make.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	nobody := plan{User: "curfew_", Project: d.config.Project, Cluster: d.config.Cluster}
	if _, err := d.read(ctx, nobody); err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	return connector.Health{Version: "Atlas Administration API v2 (2023-01-01)"}, nil
}
