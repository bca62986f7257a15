package mongodbatlas

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// rightLogin is the native right of the one atom of a grant: a database user.
const rightLogin = "login"

// plan is the driver's part of an access.Plan.
type plan struct {
	User    string      `json:"user"`
	Mark    access.Mark `json:"mark"`
	Roles   []Role      `json:"roles"`
	Project string      `json:"project"`
	Cluster string      `json:"cluster"`
}

func (p plan) atom() access.Atom {
	return access.Atom{Target: p.Project, Account: p.User, Right: rightLogin}
}

func (p plan) encode() (access.Plan, error) { return connector.EncodePlan(p, p.atom()) }

// plan reads a plan, which must be of this project.
func (d *driver) plan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.User == "" || v.Mark == "" || v.Cluster == "" {
		return plan{}, connector.IncompletePlan("user")
	}
	if v.Project != d.config.Project {
		return plan{}, access.Errorf(access.KindMisconfigured, "The connector %s leads to another project than the one that this access was given in. An operator must correct its configuration.", d.name)
	}
	return v, nil
}
