package redis

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// rightLogin is the native right of the one atom of a grant: a user. Without it nobody can log in, and nobody is.
const rightLogin = "login"

// plan is the driver's part of an access.Plan.
type plan struct {
	// User is the name of the user.
	User string `json:"user"`
	// Mark is what the user bears.
	Mark access.Mark `json:"mark"`
	// Rules are what it may do. They are not known of a user that was found.
	Rules []string `json:"rules,omitempty"`
	// Target is the server's identity.
	Target string `json:"target"`
}

func (p plan) atom() access.Atom {
	return access.Atom{Target: p.Target, Account: p.User, Right: rightLogin}
}

func (p plan) encode() (access.Plan, error) { return connector.EncodePlan(p, p.atom()) }

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.User == "" || v.Mark == "" || v.Target == "" {
		return plan{}, connector.IncompletePlan("user")
	}
	return v, nil
}
