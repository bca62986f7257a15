package redis

import (
	"context"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// maxUsername bounds the names of users. Redis does not; people and logs do.
const maxUsername = 128

// Prepare reads which server this is, and plans a user.
func (d *driver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	permission, err := d.permission(o.Entitlement)
	if err != nil {
		return access.Plan{}, err
	}
	if !isLabel(string(o.Mark)) {
		return access.Plan{}, access.Errorf(access.KindInvalid, "The mark of this grant cannot stand in a rule of Redis.")
	}
	v := plan{User: connector.AccountName(o.Principal.Subject, o.Grant, maxUsername), Mark: o.Mark, Rules: permission.rules()}
	var there users
	err = d.in(ctx, "prepare a user", func(c *protocol.Client) (err error) {
		there, err = d.readUsers(ctx, c, v.User)
		return err
	})
	if err != nil {
		return access.Plan{}, err
	}
	if there.target == "" {
		return access.Plan{}, d.nameless()
	}
	v.Target = there.target
	if err := d.checkOurs(v, there); err != nil {
		return access.Plan{}, err
	}
	return v.encode()
}

func (d *driver) nameless() error {
	return access.Errorf(access.KindMisconfigured,
		"The account %q of the connector %s does not bear the identity of the server. An operator must give it one; the connector's page has the statement.", d.config.Username, d.name)
}

// checkOurs refuses another server than the plan's, and a user of that name which does not bear the plan's mark.
func (d *driver) checkOurs(v plan, there users) error {
	switch u := there.of[v.User]; {
	case there.target == "":
		return d.nameless()
	case there.target != v.Target:
		return access.Errorf(access.KindMisconfigured,
			"The connector %s leads to the server %q, and this grant is on %q. An operator must correct the url.", d.name, there.target, v.Target)
	case u.exists && u.mark() != v.Mark:
		return access.Errorf(access.KindConflict,
			"At the connector %s a user %q exists and does not bear the grant's mark. An operator must look at it.", d.name, v.User)
	}
	return nil
}
