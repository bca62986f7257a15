package mongodb

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// maxName is how long the names of our users are at most. MongoDB has no bound.
	maxName = 63
	maxMark = 1024
)

// Prepare reads whether the access can be given.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	permission, err := d.permission(o.Entitlement)
	if err != nil {
		return access.Plan{}, err
	}
	if err := connector.CheckMark(o.Mark, maxMark); err != nil {
		return access.Plan{}, err
	}
	set, err := d.curfew.replicaSet(ctx)
	if err != nil {
		return access.Plan{}, d.fail(ctx, err, "be used")
	}
	if err := d.checkRoles(ctx, permission.Roles); err != nil {
		return access.Plan{}, d.fail(ctx, err, "look at its roles")
	}
	return plan{
		User: connector.AccountName(o.Principal.Subject, o.Grant, maxName), DB: d.config.AuthDatabase,
		Mark: o.Mark, Roles: permission.Roles, Set: set,
	}.encode()
}

// permission looks the order up, exactly.
func (d *driver) permission(e access.Entitlement) (Permission, error) {
	r, ok := d.config.Resources[e.Resource]
	if !ok {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no such resource; curfew list shows what there is.", d.name)
	}
	p, ok := r.Permissions[e.Permission]
	if !ok {
		return Permission{}, access.Errorf(access.KindInvalid, "The connector %s has no such permission on %q; curfew list shows what there is.", d.name, e.Resource)
	}
	return p, nil
}

// Grant makes the user. One that is there gets another password if a credential is asked for, and is made anew if its roles
// are not those of the plan.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return connector.Outcome{}, err
	}
	bounded, cancel := connector.Until(ctx, d.clock, o)
	defer cancel()
	password := rand.Text()
	if err := d.make(bounded, v, password, len(o.Recipient) > 0); err != nil {
		return connector.Outcome{}, d.fail(bounded, err, "make the user")
	}
	var out connector.Outcome
	if len(o.Recipient) > 0 {
		c := d.credential(v, password)
		out.Credential = &c
	}
	return out, nil
}

// make leaves the user as the plan says. The password is a new user's, and that of one that is there if renew is set.
func (d *driver) make(ctx context.Context, v plan, password string, renew bool) error {
	if err := d.at(ctx, d.curfew, v); err != nil {
		return err
	}
	found, there, err := d.curfew.find(ctx, v.name())
	if err != nil {
		return err
	}
	if there && found.Custom.Mark != v.Mark {
		return access.Errorf(access.KindConflict, "The user %s of the connector %s is there and does not bear the mark of this grant.", v.User, d.name)
	}
	if there && !sameRoles(found.Roles, v.Roles) {
		if _, err := d.curfew.drop(ctx, v.name()); err != nil {
			return err
		}
		there = false
	}
	switch {
	case !there:
		err = d.curfew.create(ctx, v, password)
	case renew:
		err = d.curfew.setPassword(ctx, v.name(), password)
	}
	if code := codeOf(err); code == codeUserExists || code == codeUserNotFound {
		return access.Wrap(access.KindConflict, err, "Another call made or dropped the user "+v.User+" at the same time.")
	}
	return err
}

// sameRoles compares without regard to order: the server has its own.
func sameRoles(a, b []Role) bool {
	byName := func(x, y Role) int { return strings.Compare(x.String(), y.String()) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byName), slices.SortedFunc(slices.Values(b), byName))
}

// Extend has no expiry to move. It fails where the user is not there, for it makes none.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return err
	}
	if err := d.at(ctx, d.curfew, v); err != nil {
		return d.fail(ctx, err, "extend the access")
	}
	_, there, err := d.curfew.find(ctx, v.name())
	if err == nil && !there {
		err = access.Errorf(access.KindNotFound, "The connector %s cannot extend the access: the user %s is not there.", d.name, v.User)
	}
	return d.fail(ctx, err, "extend the access")
}
