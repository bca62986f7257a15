package mysql

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
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

func (p plan) encode() (access.Plan, error) { return connector.EncodePlan(p, p.atom()) }

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if !accountPattern.MatchString(v.Account) || v.Mark == "" || v.System == "" {
		return plan{}, connector.IncompletePlan("account of Curfew's")
	}
	return v, nil
}
