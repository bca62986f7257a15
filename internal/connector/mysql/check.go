package mysql

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// schemaVersion is that of the statements of the connector's page.
const schemaVersion = 1

// server is what is read of the server before anything is planned there.
type server struct {
	version, system string
	now             time.Time
	readOnly        bool
	flavour         flavour
	// patterns: GRANT takes the name of a database for a pattern.
	patterns bool
}

const readServer = `
SELECT VERSION(), i.id, i.version, CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED), IF(@@global.read_only, 1, 0) FROM curfew.identity i`

// readServer reads what the server is, and that Curfew's schema there is the one that this package knows.
func (d *driver) readServer(ctx context.Context) (s server, err error) {
	var micros int64
	var schema int
	if err = one(ctx, d.pool, readServer, nil, &s.version, &s.system, &schema, &micros, &s.readOnly); err != nil {
		return s, d.fail(ctx, err, "read Curfew's schema")
	}
	if schema != schemaVersion {
		return s, access.Errorf(access.KindMisconfigured,
			"Curfew's schema at the connector %s has version %d, and %d is needed. An operator must run the statements of the connector's page again.", d.name, schema, schemaVersion)
	}
	if s.readOnly {
		return s, access.Errorf(access.KindMisconfigured, "The connector %s leads to a server that is read-only. Its address must lead to the primary.", d.name)
	}
	s.now = time.UnixMicro(micros)
	if s.flavour, err = d.flavourOf(s.version); err != nil {
		return s, err
	}
	err = one(ctx, d.pool, s.flavour.patterns, nil, &s.patterns)
	return s, d.fail(ctx, err, "read its settings")
}

// Check reads whether the server can be reached and used: its version, Curfew's schema, every permission, the reader's sight
// and the clock.
func (d *driver) Check(ctx context.Context) (connector.Health, error) {
	before := d.clock.Now()
	s, err := d.readServer(ctx)
	if err != nil {
		return connector.Health{}, err
	}
	// The server read its clock somewhere between our two readings.
	middle := before.Add(d.clock.Now().Sub(before) / 2)
	if err := d.checkPermissions(ctx); err != nil {
		return connector.Health{}, err
	}
	if err := d.checkSight(ctx, s.system); err != nil {
		return connector.Health{}, err
	}
	return connector.Health{Version: s.version, Skew: s.now.Sub(middle)}, nil
}

// checkPermissions checks that each permission can be given on something.
func (d *driver) checkPermissions(ctx context.Context) error {
	databases, err := d.databases(ctx)
	if err != nil {
		return err
	}
	owner, err := d.rights(ctx, nil)
	if err != nil {
		return d.fail(ctx, err, "read what it can give")
	}
	for _, name := range slices.Sorted(maps.Keys(d.config.Permissions)) {
		p := d.config.Permissions[name]
		offered, err := d.offer(ctx, p)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(databases, func(database string) bool {
			return offered.on(database) && ownerGives(owner, p, database)
		}) {
			return access.Errorf(access.KindMisconfigured,
				"The permission %s of the connector %s can be given on no database. An operator must grant it to the owner of the procedures, to be handed on; the connector's page has the statements.", name, d.name)
		}
	}
	return nil
}

// checkSight makes the positive control of Observe.
func (d *driver) checkSight(ctx context.Context, system string) error {
	s, err := d.readStates(ctx, []plan{{Account: accountPrefix}})
	if err != nil {
		return d.fail(ctx, err, "read back")
	}
	if !d.sees(s, system) {
		return access.Errorf(access.KindMisconfigured,
			"The account that reads back for the connector %s does not see the account %q and its own session on the same server. An operator must correct its privileges; the connector's page has the statements.", d.name, d.config.User)
	}
	return nil
}
