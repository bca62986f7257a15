package mongodb

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// driver makes a user for each grant. It is immutable but for its connections.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config
	// curfew acts, and observer reads back; they are the same where there is no account for that.
	curfew, observer *account
}

var _ connector.Driver = (*driver)(nil)

// Open makes the driver. It resolves the connection strings; its clients look for the servers in the background.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	d := &driver{name: env.Name, clock: env.Clock, config: *c}
	d.config.Resources = maps.Clone(c.Resources)
	var err error
	if d.curfew, err = openAccount(c.URI, "uri", c.MaxConnections); err != nil {
		return nil, err
	}
	d.observer = d.curfew
	if c.ObserverURI != "" {
		if d.observer, err = openAccount(c.ObserverURI, "observer_uri", c.MaxConnections); err != nil {
			return nil, errors.Join(err, d.curfew.close())
		}
	}
	return d, nil
}

// Close closes the connections.
func (d *driver) Close() error {
	err := d.curfew.close()
	if d.observer != d.curfew {
		err = errors.Join(err, d.observer.close())
	}
	return err
}

// Discover yields what is configured, as far as its roles are there and weak enough.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		var found []access.Resource
		for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
			r := access.Resource{Name: name, Labels: d.config.Resources[name].Labels}
			for _, permission := range slices.Sorted(maps.Keys(d.config.Resources[name].Permissions)) {
				err := d.checkRoles(ctx, d.config.Resources[name].Permissions[permission].Roles)
				switch {
				case access.KindOf(err) == access.KindMisconfigured:
					// Check says so; the others can be asked for.
				case err != nil:
					yield(access.Resource{}, d.fail(ctx, err, "look at its roles"))
					return
				default:
					r.Permissions = append(r.Permissions, permission)
				}
			}
			if len(r.Permissions) > 0 {
				found = append(found, r)
			}
		}
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}
