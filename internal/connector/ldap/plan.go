package ldap

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// plan is the driver's part of an access.Plan. Which memberships it is about is said by the plan's atoms, whose account and
// right are the IDs of entries: an entry that is renamed or moved stays a member.
type plan struct {
	// Account is the account's entry and Name its name, as they were.
	Account string `json:"account"`
	Name    string `json:"name"`
	// Groups are the entries of the groups as they were, by ID.
	Groups map[string]string `json:"groups"`
	// Base is the ID of the base entry.
	Base string `json:"base"`
}

func (p plan) encode(atoms []access.Atom) (access.Plan, error) {
	return connector.EncodePlan(p, atoms...)
}

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.Account == "" || v.Base == "" {
		return v, connector.IncompletePlan("account")
	}
	return v, nil
}
