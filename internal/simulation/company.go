package simulation

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/policy"
)

// source tells of frank, who is an engineer, and of grace, who leads. Both may leave, come back, and lose their groups.
const (
	source = "corp"
	frank  = "frank"
	grace  = "grace"
)

// told are those of whom the source tells.
func told() []identity.Account {
	return []identity.Account{{Subject: frank, Groups: []string{"engineering"}}, {Subject: grace, Groups: []string{"leads"}}}
}

// fallback is how long leads have to review what others want to write, before the platform's people may.
const fallback = 20 * time.Second

// policies are those of enginetest, which also let in whom the source tells of; when nobody reviews what others want to write,
// the platform's people may.
func policies() []policy.Policy {
	list := enginetest.Policies()
	for i := range list {
		p := &list[i]
		p.Who = append(slices.Clone(p.Who), "group:"+source+"/engineering")
		for k := range p.Stages {
			p.Stages[k].From = append(slices.Clone(p.Stages[k].From), "group:"+source+"/leads")
		}
		if slices.Contains(p.What, enginetest.Write) {
			p.OnBehalfOf = append(slices.Clone(p.OnBehalfOf), "group:"+source+"/leads")
			p.Stages[0].Within = fallback
			p.Stages[0].Fallback = &policy.Fallback{From: []string{"group:platform"}, Within: 2 * time.Hour}
		}
	}
	return list
}

// longest is for how long the policies give an entitlement.
func longest(e access.Entitlement) time.Duration {
	if e.String() == enginetest.Read {
		return 4 * time.Hour
	}
	return time.Hour
}

// approvals is how many persons must have agreed before an entitlement is anybody's.
func approvals(e access.Entitlement) int {
	switch e.String() {
	case enginetest.Write:
		return 1
	case enginetest.Drop:
		return 2
	default:
		return 0
	}
}

// mayStand reports whether the policies let a principal review a request by itself at a moment, whoever else may.
func mayStand(p access.Principal, r access.Request, at time.Time) bool {
	if p.Kind != access.Human {
		return false
	}
	if p.InGroup(access.StaticIssuer+"/leads") || p.InGroup(source+"/leads") {
		return true
	}
	late := !at.Before(r.CreatedAt.Add(fallback))
	return late && p.InGroup(access.StaticIssuer+"/platform") && slices.Contains(r.Entitlements, enginetest.Entitlement(enginetest.Write))
}
