package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// memberships is what one read says of an account's memberships, with what proves that the reader can see.
type memberships struct {
	Reader, System string
	Standby        bool
	// SeesCurfew: the role of Curfew's account, which must be there, is visible.
	SeesCurfew bool
	// Grantors: the server keeps each grantor's grant of a membership apart.
	Grantors bool
	// There and Ours are in the order of the rights that were asked for.
	There, Ours []bool
}

// readMemberships takes the OIDs of Curfew's account, of the account and of the rights.
const readMemberships = `
SELECT current_user::text, (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_roles WHERE oid = $1), current_setting('server_version_num')::int >= 160000,
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = $2 AND m.roleid = g.id),
       EXISTS (SELECT FROM pg_auth_members m WHERE m.member = $2 AND m.roleid = g.id AND m.grantor = $1)
  FROM unnest($3::oid[]) WITH ORDINALITY g (id, place)
 ORDER BY g.place`

func readMembershipsFrom(ctx context.Context, pool *pgxpool.Pool, curfew uint32, o membershipOrder) (memberships, error) {
	var m memberships
	rows, err := pool.Query(ctx, readMemberships, curfew, o.Account, o.Rights)
	if err != nil {
		return m, err
	}
	var there, ours bool
	_, err = pgx.ForEachRow(rows, []any{&m.Reader, &m.System, &m.Standby, &m.SeesCurfew, &m.Grantors, &there, &ours}, func() error {
		m.There, m.Ours = append(m.There, there), append(m.Ours, ours)
		return nil
	})
	return m, err
}

// Observe reads the memberships in one statement, as the observer if there is one.
func (d *membershipDriver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := decodeMembershipPlan(p)
	if err != nil {
		return connector.Presence{}, err
	}
	o, err := newMembershipOrder(p)
	if err != nil {
		return connector.Presence{}, err
	}
	m, err := readMembershipsFrom(ctx, d.driver.observer, v.Curfew, o)
	switch {
	case sqlState(err) == statePermissionDenied:
		m = memberships{} // blind
	case err != nil:
		return connector.Presence{}, d.driver.fail(ctx, err, "read the membership back")
	}
	presence := connector.Presence{}
	if m.sees(v) {
		presence.ReadBy = fmt.Sprintf("%s, who sees Curfew's own role on the server %s", m.Reader, m.System)
	}
	for i, a := range p.Atoms {
		presence.Atoms = append(presence.Atoms, m.atom(v, i, a))
	}
	return presence, nil
}

// sees is the positive control.
func (m memberships) sees(v membershipPlan) bool {
	return m.SeesCurfew && !m.Standby && m.System == v.System
}

func (m memberships) atom(v membershipPlan, i int, a access.Atom) connector.AtomPresence {
	switch {
	case !m.sees(v) || i >= len(m.There):
		return connector.AtomPresence{Atom: a, State: connector.Unknown}
	case m.There[i]:
		return connector.AtomPresence{Atom: a, State: connector.Present, Foreign: m.Grantors && !m.Ours[i]}
	default:
		return connector.AtomPresence{Atom: a, State: connector.Absent}
	}
}
