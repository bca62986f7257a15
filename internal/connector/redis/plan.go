package redis

import (
	"encoding/json"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
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
	if v.User == "" || v.Mark == "" || v.Target == "" {
		return plan{}, access.Errorf(access.KindInvalid, "The plan of this grant names no user.")
	}
	return v, nil
}
