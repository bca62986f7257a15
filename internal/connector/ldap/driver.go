package ldap

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// driver makes accounts of a directory members of its groups. Each membership is an atom. It is immutable but for its
// connections.
type driver struct {
	name   access.ConnectorName
	clock  access.Clock
	config Config
	pool   *pool
}

var _ connector.Driver = (*driver)(nil)

// Open makes the driver. It resolves the password and connects when the first call needs it.
func (c *Config) Open(env connector.Env) (connector.Driver, error) {
	d := &driver{name: env.Name, clock: env.Clock, config: *c}
	d.config.Resources = maps.Clone(c.Resources)
	var err error
	d.pool, err = openPool(d.config)
	return d, err
}

// in calls f with a session, and gives its error a kind.
func (d *driver) in(ctx context.Context, doing string, f func(*session) error) error {
	err := d.pool.with(ctx, func(conn *protocol.Conn) error {
		s, err := newSession(conn, &d.config)
		if err != nil {
			return err
		}
		return f(s)
	})
	return d.fail(ctx, err, doing)
}

// Discover yields what is configured, as far as its groups are there.
func (d *driver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return func(yield func(access.Resource, error) bool) {
		var found []access.Resource
		err := d.in(ctx, "look for its groups", func(s *session) error {
			found = nil
			above := &nestingReader{session: s}
			for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
				r, err := d.resource(s, above, name)
				if err != nil {
					return err
				}
				if len(r.Permissions) > 0 {
					found = append(found, r)
				}
			}
			return nil
		})
		if err != nil {
			yield(access.Resource{}, err)
			return
		}
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// resource reads a resource with the permissions whose groups are there, and what these imply.
func (d *driver) resource(s *session, above *nestingReader, name string) (access.Resource, error) {
	r := access.Resource{Name: name, Labels: d.config.Resources[name].Labels, Implies: map[string]access.Implied{}}
	for _, permission := range slices.Sorted(maps.Keys(d.config.Resources[name].Permissions)) {
		groups, err := d.groups(s, access.Entitlement{Connector: d.name, Resource: name, Permission: permission})
		if access.KindOf(err) == access.KindMisconfigured {
			continue // Check says so; the others can be asked for
		}
		if err != nil {
			return access.Resource{}, err
		}
		implied, err := above.implied(groups)
		if err != nil {
			return access.Resource{}, err
		}
		r.Permissions = append(r.Permissions, permission)
		if !implied.IsZero() {
			r.Implies[permission] = implied
		}
	}
	return r, nil
}

// groups reads the groups that an entitlement stands for.
func (d *driver) groups(s *session, e access.Entitlement) ([]entry, error) {
	resource, ok := d.config.Resources[e.Resource]
	if !ok {
		return nil, access.Errorf(access.KindNotFound, "The connector %s has no resource %q.", d.name, e.Resource)
	}
	permission, ok := resource.Permissions[e.Permission]
	if !ok {
		return nil, access.Errorf(access.KindNotFound, "The connector %s has no permission %q on %q.", d.name, e.Permission, e.Resource)
	}
	var groups []entry
	for _, dn := range permission.Groups {
		group, err := s.read(dn)
		if err != nil {
			return nil, err
		}
		if !group.there() {
			return nil, access.Errorf(access.KindMisconfigured, "The group %q of the connector %s is not there, or Curfew's account may not see it. An operator must create it or change resources.", dn, d.name)
		}
		switch m, ok := membershipsOf(group); {
		case !ok:
			return nil, access.Errorf(access.KindMisconfigured, "The entry %q of the connector %s is no group of a kind that Curfew knows (groupOfNames, groupOfUniqueNames, posixGroup, group).", dn, d.name)
		case (!m.optional || s.active) && d.config.Placeholder == "":
			return nil, access.Errorf(access.KindMisconfigured, "The group %q of the connector %s must not be empty, or could not be read back if it were. An operator must name a placeholder.", dn, d.name)
		case s.active:
			if err := d.checkSight(s, group, m); err != nil {
				return nil, err
			}
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// checkSight checks that the placeholder is a member: on Active Directory nothing else proves that members may be seen.
func (d *driver) checkSight(s *session, group entry, m memberships) error {
	seen, err := s.hasMember(group.dn, m.attribute, d.config.Placeholder)
	if err == nil && !seen {
		err = access.Errorf(access.KindMisconfigured, "The placeholder of the connector %s is not a member of the group %q, or Curfew's account may not see it. An operator must make it one.", d.name, group.dn)
	}
	return err
}

// Prepare reads whether the order can work and plans the memberships.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (p access.Plan, err error) {
	err = d.in(ctx, "prepare", func(s *session) error {
		groups, err := d.groups(s, o.Entitlement)
		if err != nil {
			return err
		}
		account, err := d.account(s, o.Account)
		if err != nil {
			return err
		}
		v := plan{Account: account.dn, Name: account.name, Groups: map[string]string{}, Base: s.base}
		var atoms []access.Atom
		for _, g := range groups {
			v.Groups[g.id] = g.dn
			atoms = append(atoms, access.Atom{Target: s.base, Account: account.id, Right: g.id})
		}
		p, err = v.encode(atoms)
		return err
	})
	return p, err
}

// account reads the account that an order names. Its name is compared exactly: directories are looser.
func (d *driver) account(s *session, name string) (entry, error) {
	if name == "" || len(name) > access.MaxAtomText {
		return entry{}, access.Errorf(access.KindInvalid, "The account at the connector %s is no name of 1 to %d bytes.", d.name, access.MaxAtomText)
	}
	account, err := s.account(name)
	switch {
	case err != nil:
		return entry{}, err
	case account.name != name:
		return entry{}, access.Errorf(access.KindNotFound, "There is no account %q at the connector %s; ask its owner for one.", name, d.name)
	case sameDN(account.dn, d.config.BindDN) || sameDN(account.dn, d.config.Placeholder):
		return entry{}, access.Errorf(access.KindInvalid, "The account %q at the connector %s is Curfew's own.", name, d.name)
	}
	return account, nil
}

// Grant makes the memberships, one after the other. What an error leaves behind is a part of the plan.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	err := d.each(ctx, o, p, "make the account a member", func(s *session, m membership) error {
		if !m.account.there() || !m.group.there() {
			return access.Errorf(access.KindNotFound, "The account or a group of the connector %s is not there any more.", d.name)
		}
		return s.add(m)
	})
	return connector.Outcome{}, err
}

// Extend has no expiry to move. It fails where a membership is not there, for it makes none.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return err
	}
	presence, err := d.Observe(ctx, o, p)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(presence.Atoms, func(a connector.AtomPresence) bool { return a.State != connector.Present }) {
		return access.Errorf(access.KindNotFound, "The connector %s cannot extend the membership: it is not there.", d.name)
	}
	return nil
}

// Revoke ends the memberships. A group that is not there has no members.
func (d *driver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	err := d.each(ctx, o, p, "end the membership", func(s *session, m membership) error {
		if !m.group.there() {
			return nil
		}
		return s.remove(m)
	})
	return connector.Removal{}, err
}

// each calls f for each membership of the plan, while the order may still act.
func (d *driver) each(ctx context.Context, o connector.Order, p access.Plan, doing string, f func(*session, membership) error) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return err
	}
	if !o.ActBy.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.ActBy.Sub(d.clock.Now()))
		defer cancel()
	}
	return d.in(ctx, doing, func(s *session) error {
		for _, a := range p.Atoms {
			m, err := s.membership(v, a)
			if err != nil {
				return err
			}
			if err := f(s, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tidy has nothing to do: a membership leaves nothing behind.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	if _, err := decodePlan(p); err != nil {
		return "", err
	}
	return "", d.in(ctx, "tidy", func(*session) error { return nil })
}

// List yields nothing, because a membership bears no mark. It fails like any other call when the server is not there.
func (d *driver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		if err := d.in(ctx, "list what it made", func(*session) error { return nil }); err != nil {
			yield(access.Sighting{}, err)
		}
	}
}

// Close closes the connections.
func (d *driver) Close() error {
	d.pool.close()
	return nil
}

// Check reads whether the directory can be reached and used: the base and every group. Directories do not tell the time.
func (d *driver) Check(ctx context.Context) (h connector.Health, err error) {
	err = d.in(ctx, "be used", func(s *session) error {
		h.Version = "LDAP 3"
		if s.active {
			h.Version = "Active Directory"
		}
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(d.config.Resources)) {
			for _, permission := range slices.Sorted(maps.Keys(d.config.Resources[name].Permissions)) {
				if _, err := d.groups(s, access.Entitlement{Connector: d.name, Resource: name, Permission: permission}); err != nil {
					errs = append(errs, err)
				}
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return connector.Health{}, err
	}
	return h, nil
}
