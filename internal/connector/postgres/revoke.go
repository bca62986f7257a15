package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// closeTries bounds how often what keeps the role from being closed is cleared away.
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
	// Reopened: another call has made the closed role anew.
	Reopened    bool     `json:"reopened"`
	Memberships []string `json:"memberships"`
	Databases   []string `json:"databases"`
	Dropped     bool     `json:"dropped"`
	Hindrance   string   `json:"hindrance"`
}

// stays reports whether the closed role is still there.
func (r remains) stays() bool { return r.Found && !r.Dropped }

// describe says why a closed role is still there, and what else is in the way.
func (r remains) describe(also ...string) string {
	why := also
	if len(why) == 0 && len(r.Databases) > 0 {
		why = append(why, fmt.Sprintf("it owns something or has privileges in %q", r.Databases))
	}
	if r.Hindrance != "" {
		why = append(why, r.Hindrance)
	}
	return fmt.Sprintf("The role %q is closed and still there: %s", r.Role, strings.Join(why, "; "))
}

// Revoke closes the role, ends its sessions, rolls back its prepared transactions: then the access is gone. A role that
// owns nothing is dropped at once; disposing of what it owns is housekeeping.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	removal, left, err := d.remove(ctx, v)
	if err != nil {
		return connector.Removal{}, err
	}
	if left.stays() && !left.Reopened && len(left.Memberships) > 0 {
		// They go with the role, if it can go.
		left, removal.Housekeeping = d.dispose(ctx, v, left)
	}
	if left.stays() && left.Reopened {
		return connector.Removal{}, access.Errorf(access.KindConflict, "Another call has made the role %q of the connector %s while it was taken back.", v.Role, d.name)
	}
	if left.stays() && len(left.Memberships) > 0 {
		return connector.Removal{}, access.Errorf(access.KindMisconfigured,
			"The role %q of the connector %s has memberships that others granted and that Curfew may not revoke (%s). An operator must revoke them.",
			v.Role, d.name, strings.Join(left.Memberships, "; "))
	}
	if left.stays() {
		removal.Housekeeping = left.describe()
	}
	return removal, nil
}

// remove takes the access away: log-in, memberships, sessions, prepared transactions.
func (d *driver) remove(ctx context.Context, v plan) (removal connector.Removal, left remains, err error) {
	found, err := d.close(ctx, v, &removal)
	if err != nil {
		return removal, left, d.fail(ctx, err, "close the log-in")
	}
	if !found {
		return removal, left, d.fail(ctx, d.checkOrphans(ctx, v), "end the sessions of a role that somebody else has dropped")
	}
	if left, err = d.end(ctx, v, &removal); err != nil {
		return removal, left, d.fail(ctx, err, "end the sessions of the log-in")
	}
	return removal, left, nil
}

// closed is what close.sql did.
type closed struct {
	Found bool `json:"found"`
	// Held: a lock kept something of the role from being taken.
	Held bool `json:"held"`
}

// close takes the log-in and the memberships.
func (d *driver) close(ctx context.Context, v plan, removal *connector.Removal) (found bool, err error) {
	var c closed
	err = call(ctx, d.poolOf(v.Account), callClose, v.order(), &c)
	for tries := 0; tries < closeTries && (c.Held || concurrent(err)); tries++ {
		c, err = d.closeHeld(ctx, v, removal)
	}
	if err == nil && c.Held {
		err = access.Errorf(access.KindUnavailable, "Others keep a lock on the role %q of the connector %s; its log-in or a membership is still to be taken.", v.Role, d.name)
	}
	return c.Found, err
}

// end ends sessions and prepared transactions until there are none.
func (d *driver) end(ctx context.Context, v plan, removal *connector.Removal) (remains, error) {
	arg := v.order()
	arg.Drop = true
	for range endRounds {
		var left remains
		if err := call(ctx, d.poolOf(v.Account), callEnd, arg, &left); err != nil {
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
			if err := d.rollBack(ctx, t); err != nil {
				return remains{}, fmt.Errorf("roll back a transaction that was prepared in the database %q: %w", t.Database, err)
			}
		}
	}
	return remains{}, access.Errorf(access.KindUnavailable, "The role %q has prepared transactions again after they were rolled back.", v.Role)
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
