package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// membershipDriver makes log-in roles that exist members of groups. Each membership is an atom.
type membershipDriver struct {
	// driver is not embedded: what it does with many log-ins at once is nothing for memberships.
	driver      *driver
	endSessions bool
}

var _ connector.Driver = (*membershipDriver)(nil)

// member is an account and groups as the server has them.
type member struct {
	System  string
	Curfew  uint32
	Version int
	// Account is nil where there is no such role.
	Account  *uint32
	CanLogIn bool
	Super    bool
	Groups   []memberGroup
}

// memberGroup is a group role by name; OID is nil where there is none. Admin: Curfew's account may make members.
type memberGroup struct {
	Name  string
	OID   *uint32
	Admin bool
}

const readMember = `
SELECT (SELECT system_identifier::text FROM pg_control_system()), quote_ident(current_user)::regrole::oid,
       current_setting('server_version_num')::int, a.oid, coalesce(a.rolcanlogin, false), coalesce(a.rolsuper, false),
       g.name, r.oid, coalesce(pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'), false)
  FROM unnest($2::text[]) WITH ORDINALITY g (name, place)
  LEFT JOIN pg_roles a ON a.rolname = $1
  LEFT JOIN pg_roles r ON r.rolname = g.name
 ORDER BY g.place`

func (d *membershipDriver) readMember(ctx context.Context, account string, groups []string) (member, error) {
	var m member
	rows, err := d.driver.pool.Query(ctx, readMember, account, groups)
	if err != nil {
		return m, err
	}
	var g memberGroup
	_, err = pgx.ForEachRow(rows, []any{&m.System, &m.Curfew, &m.Version, &m.Account, &m.CanLogIn, &m.Super, &g.Name, &g.OID, &g.Admin},
		func() error {
			m.Groups = append(m.Groups, g)
			g = memberGroup{}
			return nil
		})
	return m, err
}

// checkAdmin refuses group roles that Curfew's account may not give away. CREATEROLE, which would do on PostgreSQL 15, is
// not wanted: it gives every role there is.
func (d *membershipDriver) checkAdmin(groups []memberGroup) error {
	for _, g := range groups {
		if g.OID != nil && !g.Admin {
			return access.Errorf(access.KindMisconfigured,
				"The role %q of the connector %s is not Curfew's to give. An operator must GRANT it to Curfew's account WITH ADMIN OPTION.", g.Name, d.driver.name)
		}
	}
	return nil
}

// Prepare reads whether the order can work and plans the memberships.
func (d *membershipDriver) Prepare(ctx context.Context, o connector.Order) (access.Plan, error) {
	permission, err := d.driver.checkOrder(o)
	if err != nil {
		return access.Plan{}, err
	}
	if err := checkIdentifier(o.Account); err != nil {
		return access.Plan{}, access.Errorf(access.KindInvalid, "The account at the connector %s cannot be a role: %v.", d.driver.name, err)
	}
	t, err := d.driver.readTarget(ctx, d.driver.pool, o.Entitlement.Resource, permission.Roles)
	if err != nil {
		return access.Plan{}, d.driver.fail(ctx, err, "prepare")
	}
	if !t.Database {
		return access.Plan{}, access.Errorf(access.KindNotFound, "The connector %s has no database %q.", d.driver.name, o.Entitlement.Resource)
	}
	if err := d.driver.checkGroups(t.Groups); err != nil {
		return access.Plan{}, err
	}
	m, err := d.readMember(ctx, o.Account, permission.Roles)
	if err != nil {
		return access.Plan{}, d.driver.fail(ctx, err, "prepare")
	}
	if err := d.checkAdmin(m.Groups); err != nil {
		return access.Plan{}, err
	}
	return d.planMembership(o.Account, m)
}

func (d *membershipDriver) planMembership(account string, m member) (access.Plan, error) {
	switch {
	case m.Account == nil:
		return access.Plan{}, access.Errorf(access.KindNotFound, "There is no role %q at the connector %s; ask its owner for a log-in.", account, d.driver.name)
	case !m.CanLogIn:
		return access.Plan{}, access.Errorf(access.KindInvalid, "The role %q at the connector %s cannot log in, so that nobody can use what it is given.", account, d.driver.name)
	case m.Super || *m.Account == m.Curfew:
		return access.Plan{}, access.Errorf(access.KindInvalid, "The role %q at the connector %s is a superuser or Curfew's own; membership would change nothing.", account, d.driver.name)
	}
	plan := access.Plan{}
	v := membershipPlan{Member: account, Groups: map[string]string{}, Curfew: m.Curfew, System: m.System}
	for _, g := range m.Groups {
		if g.OID == nil || *g.OID == *m.Account {
			return access.Plan{}, access.Errorf(access.KindConflict, "The role %q of the connector %s changed at this moment; try again.", g.Name, d.driver.name)
		}
		a := access.Atom{Target: m.System, Account: formatOID(*m.Account), Right: formatOID(*g.OID)}
		v.Groups[a.Right] = g.Name
		plan.Atoms = append(plan.Atoms, a)
	}
	var err error
	if plan.Body, err = json.Marshal(v); err != nil {
		return access.Plan{}, fmt.Errorf("write a plan: %w", err)
	}
	return plan, nil
}

// Grant makes the memberships. Either all are there when it returns, or none that was not there before.
func (d *membershipDriver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	if _, err := decodeMembershipPlan(p); err != nil {
		return connector.Outcome{}, err
	}
	arg, err := newMembershipOrder(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	arg.ActBy = timestamp(o.ActBy)
	var none struct{}
	return connector.Outcome{}, d.driver.fail(ctx, call(ctx, d.driver.pool, callAdd, arg, &none), "make the account a member")
}

// Extend has no expiry to move. It fails where a membership is not there, for it makes none.
func (d *membershipDriver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	presence, err := d.Observe(ctx, o, p)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(presence.Atoms, func(a connector.AtomPresence) bool { return a.State != connector.Present }) {
		return access.Errorf(access.KindNotFound, "The connector %s cannot extend the membership: it is not there.", d.driver.name)
	}
	return nil
}

// Revoke ends the memberships, and then, if that is configured, the account's sessions: on PostgreSQL 15 one that has set
// its role to a group's goes on with it.
func (d *membershipDriver) Revoke(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
	if _, err := decodeMembershipPlan(p); err != nil {
		return connector.Removal{}, err
	}
	arg, err := newMembershipOrder(p)
	if err != nil {
		return connector.Removal{}, err
	}
	if !o.ActBy.IsZero() {
		arg.ActBy = timestamp(o.ActBy)
	}
	var none struct{}
	if err := call(ctx, d.driver.pool, callRemove, arg, &none); err != nil || !d.endSessions {
		return connector.Removal{}, d.driver.fail(ctx, err, "end the membership")
	}
	var cut struct {
		SessionsEnded int   `json:"sessions_ended"`
		SessionsOpen  []int `json:"sessions_open"`
	}
	if err := call(ctx, d.driver.pool, callCut, membershipOrder{Account: arg.Account}, &cut); err != nil {
		return connector.Removal{}, d.driver.fail(ctx, err, "end the sessions of the account")
	}
	if n := len(cut.SessionsOpen); n > 0 {
		return connector.Removal{}, access.Errorf(access.KindUnavailable, "%d sessions of the account are still ending (processes %v).", n, cut.SessionsOpen)
	}
	return connector.Removal{SessionsEnded: cut.SessionsEnded}, nil
}

// Tidy has nothing to do: a membership leaves nothing behind.
func (d *membershipDriver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	if _, err := decodeMembershipPlan(p); err != nil {
		return "", err
	}
	return "", d.driver.fail(ctx, d.driver.pool.Ping(ctx), "tidy")
}

// Discover yields the databases, as for log-ins.
func (d *membershipDriver) Discover(ctx context.Context) iter.Seq2[access.Resource, error] {
	return d.driver.Discover(ctx)
}

// Close closes the pools.
func (d *membershipDriver) Close() error { return d.driver.Close() }

// List yields nothing, because a membership bears no mark. It fails like any other call when the server is not there.
func (d *membershipDriver) List(ctx context.Context) iter.Seq2[access.Sighting, error] {
	return func(yield func(access.Sighting, error) bool) {
		if err := d.driver.pool.Ping(ctx); err != nil {
			yield(access.Sighting{}, d.driver.fail(ctx, err, "list what it made"))
		}
	}
}
