package ldap

import (
	"encoding/json"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
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
	body, err := json.Marshal(p)
	if err != nil {
		return access.Plan{}, fmt.Errorf("write a plan: %w", err)
	}
	return access.Plan{Atoms: atoms, Body: body}, nil
}

func decodePlan(p access.Plan) (plan, error) {
	var v plan
	if err := json.Unmarshal(p.Body, &v); err != nil {
		return v, access.Wrap(access.KindInvalid, err, "The plan of this grant cannot be read.")
	}
	if v.Account == "" || v.Base == "" {
		return v, access.Errorf(access.KindInvalid, "The plan of this grant names no account.")
	}
	return v, nil
}
