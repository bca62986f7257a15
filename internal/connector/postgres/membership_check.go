package postgres

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// minMemberVersion: before 16 a member may set its role to the group's, and a session that has done so keeps it.
const minMemberVersion = 160000

const readMemberAccount = `
SELECT current_setting('server_version'), current_setting('server_version_num')::int, clock_timestamp(), pg_is_in_recovery(),
       rolsuper, pg_has_role('pg_signal_backend', 'USAGE')
  FROM pg_roles WHERE rolname = current_user`

// Check reads whether the server can be reached and used: its version, that it is no standby, the account's privileges,
// the group roles, the observer's sight and the clock.
func (d *membershipDriver) Check(ctx context.Context) (connector.Health, error) {
	var a account
	var signals bool
	var now time.Time
	before := d.driver.clock.Now()
	err := d.driver.pool.QueryRow(ctx, readMemberAccount).Scan(&a.Version, &a.VersionNum, &now, &a.Standby, &a.Super, &signals)
	if err != nil {
		return connector.Health{}, d.driver.fail(ctx, err, "be used")
	}
	// The server read its clock somewhere between our two readings.
	middle := before.Add(d.driver.clock.Now().Sub(before) / 2)
	a.CreateRole, a.Owner = true, "ok" // neither is wanted here
	if err := d.driver.checkAccount(a); err != nil {
		return connector.Health{}, err
	}
	switch {
	case a.VersionNum < minMemberVersion && !d.endSessions:
		return connector.Health{}, access.Errorf(access.KindMisconfigured,
			"The connector %s leads to PostgreSQL %s, where a session that has set its role keeps it when the membership ends. Write end_sessions: true, or use 16 or newer.", d.driver.name, a.Version)
	case d.endSessions && !signals:
		return connector.Health{}, access.Errorf(access.KindMisconfigured,
			"The account of the connector %s cannot end sessions. An operator must GRANT pg_signal_backend to it.", d.driver.name)
	}
	if err := d.checkRights(ctx); err != nil {
		return connector.Health{}, err
	}
	return connector.Health{Version: a.Version, Skew: now.Sub(middle)}, nil
}

// checkRights checks the group roles, and the observer's sight of them.
func (d *membershipDriver) checkRights(ctx context.Context) error {
	t, err := d.driver.readTarget(ctx, d.driver.pool, "", d.driver.config.groups())
	if err != nil {
		return d.driver.fail(ctx, err, "read its group roles")
	}
	if err := d.driver.checkGroups(t.Groups); err != nil {
		return err
	}
	m, err := d.readMember(ctx, "", d.driver.config.groups())
	if err != nil {
		return d.driver.fail(ctx, err, "read its group roles")
	}
	if err := d.checkAdmin(m.Groups); err != nil {
		return err
	}
	seen, err := readMembershipsFrom(ctx, d.driver.observer, m.Curfew, membershipOrder{Rights: []uint32{0}})
	if err != nil {
		return d.driver.fail(ctx, err, "read back")
	}
	if !seen.sees(membershipPlan{Curfew: m.Curfew, System: m.System}) {
		return access.Errorf(access.KindMisconfigured,
			"The account that reads back for the connector %s does not see Curfew's own role on the same primary server. An operator must correct observer_dsn.", d.driver.name)
	}
	return nil
}
