package mongodb

import (
	"encoding/json"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
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
	if v.User == "" || v.DB == "" || v.Mark == "" {
		return plan{}, access.Errorf(access.KindInvalid, "The plan of this grant names no user.")
	}
	return v, nil
}
