package engine

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
)

// newTarget is what policies see of every entitlement behind a connector, without the entitlement and its labels. Who has
// no account there is denied by the policies, so that the request is kept and says why.
func newTarget(c *connector.Connector, requester access.Principal) policy.Target {
	t := policy.Target{Type: c.Type().Name}
	account, err := c.Account(requester)
	if err != nil {
		t.NoAccount = access.SafeMessage(err)
	}
	t.Account = account
	return t
}

// accountIn is the requester's account behind an entitlement, as it was when the input was frozen.
func accountIn(in policy.Input, ent access.Entitlement) string {
	for _, t := range in.Targets {
		if t.Entitlement == ent {
			return t.Account
		}
	}
	return ""
}
