package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
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

func (p plan) encode() (access.Plan, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return access.Plan{}, fmt.Errorf("write a plan: %w", err)
	}
	return access.Plan{Atoms: []access.Atom{p.atom()}, Body: body}, nil
}

func decodePlan(p access.Plan) (plan, error) {
	var v plan
	if err := json.Unmarshal(p.Body, &v); err != nil {
		return plan{}, access.Wrap(access.KindInvalid, err, "The plan of this grant cannot be read.")
	}
	if v.Role == "" || v.Mark == "" {
		return plan{}, access.Errorf(access.KindInvalid, "The plan of this grant names no role.")
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
