package postgres

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// minVersion: up to 14 a role may make others members of itself, who then outlive its log-in.
const minVersion = 150000

// account is what Check reads of the server and of one of our accounts.
type account struct {
	Version    string
	VersionNum int
	Now        time.Time
	Standby    bool
	Super      bool
	CreateRole bool
	// Owner tells of the role that objects are reassigned to: "ok", or what is wrong with it.
	Owner string
}

const readAccount = `
SELECT current_setting('server_version'), current_setting('server_version_num')::int, clock_timestamp(), pg_is_in_recovery(),
       me.rolsuper, me.rolcreaterole,
       CASE WHEN $1 = '' THEN 'ok'
            WHEN owner.oid IS NULL THEN 'does not exist'
            WHEN owner.rolcanlogin OR owner.rolsuper OR owner.rolcreaterole THEN 'must be NOLOGIN, NOSUPERUSER and NOCREATEROLE'
            WHEN EXISTS (SELECT FROM pg_auth_members WHERE member = owner.oid) THEN 'must be a member of nothing'
            WHEN NOT pg_has_role(owner.oid, 'USAGE') THEN 'must be granted to Curfew''s account'
            ELSE 'ok' END
  FROM pg_roles me LEFT JOIN pg_roles owner ON owner.rolname = $1
 WHERE me.rolname = current_user`

// Check reads whether the server can be reached and used: its version, that it is no standby, the account's privileges,
// the group roles, the owner of leftovers, the observer's sight and the clock.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	var a account
	before := d.clock.Now()
	err := d.pool.QueryRow(ctx, readAccount, d.config.ObjectsOwner).
		Scan(&a.Version, &a.VersionNum, &a.Now, &a.Standby, &a.Super, &a.CreateRole, &a.Owner)
	if err != nil {
		return connector.Health{}, d.fail(ctx, err, "be used")
	}
	// The server read its clock somewhere between our two readings.
	middle := before.Add(d.clock.Now().Sub(before) / 2)
	if len(d.admins) > 0 {
		a.CreateRole = true // it is the administrators who need it
	}
	if err := d.checkAccount(a); err != nil {
		return connector.Health{}, err
	}
	if err := d.checkAdminRoles(ctx, a.VersionNum); err != nil {
		return connector.Health{}, err
	}
	for _, pool := range d.makers() {
		t, err := d.readTarget(ctx, pool, "", d.config.groups())
		if err != nil {
			return connector.Health{}, d.fail(ctx, err, "read its group roles")
		}
		if err := d.checkGroups(t.Groups); err != nil {
			return connector.Health{}, err
		}
		if err := d.checkObserver(ctx, t); err != nil {
			return connector.Health{}, err
		}
	}
	return connector.Health{Version: a.Version, Skew: a.Now.Sub(middle)}, nil
}

func (d *driver) checkAccount(a account) error {
	switch {
	case a.VersionNum < minVersion:
		return access.Errorf(access.KindMisconfigured, "The connector %s leads to PostgreSQL %s; it needs 15 or newer.", d.name, a.Version)
	case a.Standby:
		return access.Errorf(access.KindMisconfigured, "The connector %s leads to a standby. The connection string must lead to the primary.", d.name)
	case a.Super:
		return access.Errorf(access.KindMisconfigured, "The account of the connector %s is a superuser. Give it one that is not; the connector's page has the statements.", d.name)
	case !a.CreateRole:
		return access.Errorf(access.KindMisconfigured, "The account of the connector %s lacks CREATEROLE. An operator must ALTER ROLE it.", d.name)
	case a.Owner != "ok":
		return access.Errorf(access.KindMisconfigured, "The role %q that the connector %s reassigns objects to %s.", d.config.ObjectsOwner, d.name, a.Owner)
	}
	return nil
}

// checkObserver makes the positive control of Observe.
func (d *driver) checkObserver(ctx context.Context, t target) error {
	v := plan{Role: connector.AccountPrefix, Mark: "curfew check", Account: t.Account, System: t.System}
	s, err := d.readState(ctx, d.observer, v)
	if err != nil {
		return d.fail(ctx, err, "read back")
	}
	if !s.sees(v) {
		return access.Errorf(access.KindMisconfigured,
			"The account that reads back for the connector %s does not see the role %q and its own session on the same primary server. An operator must correct observer_dsn.", d.name, t.Account)
	}
	return nil
}
