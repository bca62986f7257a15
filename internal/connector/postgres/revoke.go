package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// closeTries bounds how often sessions are ended that keep the role from being closed.
	closeTries = 3
	// endRounds: one to find prepared transactions, one after they were rolled back, one after objects were disposed of.
	endRounds = 3
)

// remains is what end.sql found under a closed role, and left.
type remains struct {
	Found         bool       `json:"found"`
	Role          string     `json:"role"`
	SessionsEnded int        `json:"sessions_ended"`
	SessionsOpen  []int      `json:"sessions_open"`
	Prepared      []prepared `json:"prepared"`
	Memberships   []string   `json:"memberships"`
	Databases     []string   `json:"databases"`
	Dropped       bool       `json:"dropped"`
	Hindrance     string     `json:"hindrance"`
}

// prepared is a transaction that was prepared (PREPARE TRANSACTION) and can be finished by its role in its database.
type prepared struct {
	GID      string `json:"gid"`
	Database string `json:"database"`
}

// Revoke closes the role, ends its sessions, rolls back its prepared transactions: then the access is gone. Disposing of
// what the role owns, and of the role, is housekeeping.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	var removal connector.Removal
	found, err := d.close(ctx, v, &removal)
	if err != nil {
		return connector.Removal{}, d.fail(ctx, err, "close the log-in")
	}
	if !found {
		return removal, d.fail(ctx, d.checkOrphans(ctx, v), "end the sessions of a role that somebody else has dropped")
	}
	left, err := d.end(ctx, v, &removal)
	if err != nil {
		return connector.Removal{}, d.fail(ctx, err, "end the sessions of the log-in")
	}
	if left.Found && !left.Dropped {
		left, removal.Housekeeping = d.tidy(ctx, v, left)
	}
	if !left.Dropped && len(left.Memberships) > 0 {
		return connector.Removal{}, access.Errorf(access.KindMisconfigured,
			"The role %q of the connector %s has memberships that others granted and that Curfew may not revoke (%s). An operator must revoke them.",
			v.Role, d.name, strings.Join(left.Memberships, "; "))
	}
	return removal, nil
}

// close takes the log-in and the memberships. A session of the role can keep it from that, by changing its own password in
// a transaction that it leaves open; then the sessions go first, and the role is closed in the same breath.
func (d *driver) close(ctx context.Context, v plan, removal *connector.Removal) (found bool, err error) {
	var closed struct {
		Found bool `json:"found"`
	}
	err = run(ctx, d.pool, v.order(), &closed, closeScript)
	for range closeTries {
		if !blocked(err) {
			break
		}
		var left remains
		if err = run(ctx, d.pool, v.order(), &left, endScript); err != nil {
			continue
		}
		removal.SessionsEnded += left.SessionsEnded
		err = run(ctx, d.pool, v.order(), &closed, endScript, closeScript)
	}
	return closed.Found, err
}

func blocked(err error) bool { return sqlState(err) == stateLockNotAvailable || concurrent(err) }

// end ends sessions and prepared transactions until there are none.
func (d *driver) end(ctx context.Context, v plan, removal *connector.Removal) (remains, error) {
	arg := v.order()
	arg.Drop = true
	for range endRounds {
		var left remains
		if err := run(ctx, d.pool, arg, &left, endScript); err != nil {
			return remains{}, err
		}
		removal.SessionsEnded += left.SessionsEnded
		if n := len(left.SessionsOpen); n > 0 {
			return remains{}, access.Errorf(access.KindUnavailable, "%d sessions of the role %q are still ending (processes %v).", n, left.Role, left.SessionsOpen)
		}
		if len(left.Prepared) == 0 {
			return left, nil
		}
		for _, t := range left.Prepared {
			if err := d.rollBack(ctx, left.Role, t); err != nil {
				return remains{}, fmt.Errorf("roll back a transaction that was prepared in the database %q: %w", t.Database, err)
			}
		}
	}
	return remains{}, access.Errorf(access.KindUnavailable, "The role %q has prepared transactions again after they were rolled back.", v.Role)
}

// rollBack rolls a prepared transaction back, which must be done as its role and in its database.
func (d *driver) rollBack(ctx context.Context, role string, t prepared) error {
	return d.inDatabase(ctx, t.Database, func(conn *pgx.Conn) error {
		// ROLLBACK PREPARED takes no parameter and runs in no function: the server quotes the text for us.
		var statement string
		err := conn.QueryRow(ctx, `SELECT format('ROLLBACK PREPARED %L', $1::text) FROM set_config('role', $2, false)`, t.GID, role).Scan(&statement)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		if sqlState(err) == stateUndefinedObject {
			return nil // finished meanwhile
		}
		return err
	})
}

// checkOrphans reports sessions and prepared transactions of a role that is no longer there. Only a superuser, or a member
// of pg_signal_backend, can end them, because nobody can be a member of such a role.
func (d *driver) checkOrphans(ctx context.Context, v plan) error {
	if v.OID == 0 {
		return nil // its password never reached anybody
	}
	s, err := d.readState(ctx, d.pool, v)
	if err != nil {
		return err
	}
	if s.Sessions+s.Prepared == 0 {
		return nil
	}
	return access.Errorf(access.KindMisconfigured,
		"Somebody dropped the role %q of the connector %s while it had %d sessions and %d prepared transactions. An operator must end them as a superuser: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = %d; ROLLBACK PREPARED.",
		v.Role, d.name, s.Sessions, s.Prepared, v.OID)
}

// tidy disposes of what the role owns in each database, then of the role. Its text says what could not be done; none of
// that gives access.
func (d *driver) tidy(ctx context.Context, v plan, left remains) (remains, string) {
	var undone []string
	for _, database := range left.Databases {
		if err := d.disposeIn(ctx, database, left.Role); err != nil {
			undone = append(undone, fmt.Sprintf("database %q: %v", database, cause(err)))
		}
	}
	if len(left.Databases) > 0 && len(undone) == 0 {
		arg := v.order()
		arg.Drop = true
		var after remains
		if err := run(ctx, d.pool, arg, &after, endScript); err != nil {
			undone = append(undone, cause(err).Error())
		} else {
			left = after
		}
	}
	switch {
	case left.Dropped || !left.Found:
		return left, ""
	case left.Hindrance != "":
		undone = append(undone, left.Hindrance)
	}
	return left, fmt.Sprintf("The role %q is closed and still there: %s", left.Role, strings.Join(undone, "; "))
}

func (d *driver) disposeIn(ctx context.Context, database, role string) error {
	arg := struct {
		Role  string  `json:"role"`
		Owner *string `json:"owner"`
	}{Role: role}
	if d.config.Objects == ReassignObjects {
		arg.Owner = &d.config.ObjectsOwner
	}
	err := d.inDatabase(ctx, database, func(conn *pgx.Conn) error {
		var none struct{}
		return run(ctx, conn, arg, &none, tidyScript)
	})
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the time ran out")
	}
	return err
}
