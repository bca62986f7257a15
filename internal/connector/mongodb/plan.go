package mongodb

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// rightLogin is the native right of the one atom of a grant: a user that is there, or an operation of its that runs.
const rightLogin = "login"

// plan is the driver's part of an access.Plan.
type plan struct {
	// User is the name of the user, and DB the database in which it is made.
	User string `json:"user"`
	DB   string `json:"db"`
	// Mark stands in the user's customData.
	Mark  access.Mark `json:"mark"`
	Roles []Role      `json:"roles"`
	// Set is the ID of the replica set.
	Set string `json:"set"`
}

func (p plan) name() userName { return userName{User: p.User, DB: p.DB} }

func (p plan) atom() access.Atom {
	return access.Atom{Target: p.Set, Account: p.name().String(), Right: rightLogin}
}

func (p plan) encode() (access.Plan, error) { return connector.EncodePlan(p, p.atom()) }

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.User == "" || v.DB == "" || v.Mark == "" {
		return plan{}, connector.IncompletePlan("user")
	}
	return v, nil
}
