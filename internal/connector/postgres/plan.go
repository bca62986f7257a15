package postgres

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// rightLogin is the native right of the one atom of a grant: a role that can log in, is a member of something, has a
// member, a session or a prepared transaction. A role without all of them gives no access, whatever it may own.
const rightLogin = "login"

// plan is the driver's part of an access.Plan.
type plan struct {
	// Role is the name of the role.
	Role string `json:"role"`
	// OID is the role's, once it exists. It finds sessions of a role that somebody else has dropped, and a role that
	// somebody has renamed; without it both look absent.
	OID uint32 `json:"oid,omitempty"`
	// Mark is the role's comment.
	Mark access.Mark `json:"mark"`
	// Groups are the roles that it becomes a member of.
	Groups []string `json:"groups"`
	// Database is where its user works.
	Database string `json:"database"`
	// Account is Curfew's own role.
	Account string `json:"account"`
	// System is the server's system identifier.
	System string `json:"system"`
}

func (p plan) atom() access.Atom {
	return access.Atom{Target: p.System, Account: p.Role, Right: rightLogin}
}

func (p plan) encode() (access.Plan, error) { return connector.EncodePlan(p, p.atom()) }

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.Role == "" || v.Mark == "" {
		return plan{}, connector.IncompletePlan("role")
	}
	return v, nil
}

// order is the argument of the functions.
type order struct {
	Role       string      `json:"role"`
	OID        *uint32     `json:"oid"`
	Mark       access.Mark `json:"mark"`
	Groups     []string    `json:"groups,omitempty"`
	Verifier   *string     `json:"verifier"`
	ValidUntil string      `json:"valid_until,omitempty"`
	ActBy      string      `json:"act_by,omitempty"`
	// Drop the role when nothing hinders.
	Drop bool `json:"drop"`
}

func (p plan) order() order {
	o := order{Role: p.Role, Mark: p.Mark, Groups: p.Groups}
	if p.OID != 0 {
		o.OID = &p.OID
	}
	return o
}

// timestamp is t for the server, rounded down to its microseconds: an expiry is never late.
func timestamp(t time.Time) string {
	return t.UTC().Truncate(time.Microsecond).Format("2006-01-02 15:04:05.000000+00")
}
