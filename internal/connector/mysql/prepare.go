package mysql

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const maxMark = 255

// Prepare reads whether the order can work and plans its account.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	permission, err := d.checkOrder(o)
	if err != nil {
		return access.Plan{}, err
	}
	database := o.Entitlement.Resource
	s, err := d.readServer(ctx)
	if err != nil {
		return access.Plan{}, err
	}
	databases, err := d.databases(ctx)
	if err != nil {
		return access.Plan{}, err
	}
	if !slices.Contains(databases, database) {
		return access.Plan{}, access.Errorf(access.KindNotFound, "The connector %s has no database %q.", d.name, database)
	}
	if err := d.checkOffer(ctx, o.Entitlement, permission); err != nil {
		return access.Plan{}, err
	}
	v := plan{
		Account: accountName(o.Grant), Mark: o.Mark, Host: d.config.AccountHost, Rights: entries(permission, database, s.patterns),
		Flavour: s.flavour.name, Database: database, System: s.system,
	}
	return v.encode()
}

// checkOffer refuses what the server could not give.
func (d *driver) checkOffer(ctx context.Context, e access.Entitlement, p Permission) error {
	offered, err := d.offer(ctx, p)
	if err != nil {
		return err
	}
	if !offered.on(e.Resource) {
		return access.Errorf(access.KindInvalid, "The permission %s of the connector %s opens nothing of the database %q.", e.Permission, d.name, e.Resource)
	}
	owner, err := d.rights(ctx, nil)
	if err != nil {
		return d.fail(ctx, err, "read what it can give")
	}
	if !ownerGives(owner, p, e.Resource) {
		return access.Errorf(access.KindMisconfigured,
			"The permission %s on the database %q of the connector %s is not Curfew's to give. An operator must grant it to the owner of the procedures, to be handed on; the connector's page has the statements.",
			e.Permission, e.Resource, d.name)
	}
	return nil
}

// checkOrder refuses what can never work without asking the server.
func (d *driver) checkOrder(o connector.Order) (Permission, error) {
	e := o.Entitlement
	permission, ok := d.config.Permissions[e.Permission]
	if !ok {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no permission %q; it has %s.",
			d.name, e.Permission, strings.Join(slices.Sorted(maps.Keys(d.config.Permissions)), ", "))
	}
	if err := checkDatabase(e.Resource); err != nil {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no such database: %v.", d.name, err)
	}
	if err := connector.CheckMark(o.Mark, maxMark); err != nil {
		return Permission{}, err
	}
	return permission, nil
}

// entries are the rights of a permission on a database.
func entries(p Permission, database string, patterns bool) []entry {
	if p.Role != "" {
		return []entry{{Role: p.Role}}
	}
	e := entry{Privileges: strings.Join(p.Privileges, ", "), Database: database}
	if len(p.Tables) == 0 {
		if patterns {
			e.Pattern = 1
		}
		return []entry{e}
	}
	var all []entry
	for _, table := range p.Tables {
		e.Table = table
		all = append(all, e)
	}
	return all
}
