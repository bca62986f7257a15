package mysql

import (
	"encoding/json"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
)

// rightLogin is the native right of the one atom of a grant: an account, open or not, or a session of one.
const rightLogin = "login"

// plan is the driver's part of an access.Plan.
type plan struct {
	Account string `json:"account"`
	// Mark stands in Curfew's own schema, because MariaDB has no room for it at an account.
	Mark access.Mark `json:"mark"`
	// Host is the host part of the account.
	Host   string  `json:"host,omitempty"`
	Rights []entry `json:"rights,omitempty"`
	// Flavour is the server's, which decides how it keeps passwords.
	Flavour string `json:"flavour,omitempty"`
	// Database is where its user works.
	Database string `json:"database,omitempty"`
	// System is the identity of the server, as it stands in Curfew's own schema.
	System string `json:"system"`
}

// entry is a right as the procedures take it: a role, or privileges on a database or a table of it.
type entry struct {
	Role       string `json:"role,omitempty"`
	Privileges string `json:"privileges,omitempty"`
	Database   string `json:"database,omitempty"`
	Table      string `json:"table,omitempty"`
	// Pattern is 1 where GRANT takes the name of the database for a pattern.
	Pattern int `json:"pattern,omitempty"`
}

func (p plan) atom() access.Atom {
	return access.Atom{Target: p.System, Account: p.Account, Right: rightLogin}
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
	if !accountPattern.MatchString(v.Account) || v.Mark == "" || v.System == "" {
		return plan{}, access.Errorf(access.KindInvalid, "The plan of this grant names no account of Curfew's.")
	}
	return v, nil
}
