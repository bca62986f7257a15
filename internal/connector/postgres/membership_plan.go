package postgres

import (
	"fmt"
	"strconv"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// membershipPlan is the driver's part of an access.Plan for memberships. Which ones is said by the plan's atoms, whose
// account and right are OIDs: a role that is renamed keeps its memberships.
type membershipPlan struct {
	// Member is the name of the account, for people.
	Member string `json:"member"`
	// Groups are the names of the rights, by OID, for people.
	Groups map[string]string `json:"groups"`
	// Curfew is the OID of Curfew's own role, which grants the memberships.
	Curfew uint32 `json:"curfew"`
	// System is the server's system identifier.
	System string `json:"system"`
}

func decodeMembershipPlan(p access.Plan) (membershipPlan, error) {
	v, err := connector.DecodePlan[membershipPlan](p)
	if err != nil {
		return v, err
	}
	if v.Member == "" || v.System == "" {
		return v, connector.IncompletePlan("account")
	}
	return v, nil
}

// membershipOrder is the argument of the functions.
type membershipOrder struct {
	Account uint32   `json:"account"`
	Rights  []uint32 `json:"rights,omitempty"`
	ActBy   string   `json:"act_by,omitempty"`
}

// newMembershipOrder reads the OIDs in a plan's atoms, which are all of one account.
func newMembershipOrder(p access.Plan) (membershipOrder, error) {
	var o membershipOrder
	for i, a := range p.Atoms {
		account, err := parseOID(a.Account)
		if err != nil {
			return o, err
		}
		right, err := parseOID(a.Right)
		if err != nil {
			return o, err
		}
		if i > 0 && account != o.Account {
			return o, access.Errorf(access.KindInvalid, "The plan of this grant names two accounts.")
		}
		o.Account, o.Rights = account, append(o.Rights, right)
	}
	return o, nil
}

func parseOID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, access.Wrap(access.KindInvalid, fmt.Errorf("an OID: %w", err), "The plan of this grant cannot be read.")
	}
	return uint32(n), nil
}

func formatOID(oid uint32) string { return strconv.FormatUint(uint64(oid), 10) }
