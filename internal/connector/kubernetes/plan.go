package kubernetes

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// rightBinding is the native right of the one atom of a grant: its binding, with the accounts that it is for.
const rightBinding = "binding"

// plan is the driver's part of an access.Plan.
type plan struct {
	// Cluster is the UID of the namespace kube-system, which no two clusters share.
	Cluster string `json:"cluster"`
	// Binding is the name of the binding, and Namespace its own; a ClusterRoleBinding is in none.
	Binding   string `json:"binding"`
	Namespace string `json:"namespace,omitempty"`
	// Role is what it gives.
	Role roleRef `json:"role"`
	// Accounts is the namespace of the grant's ServiceAccounts, and Grant the label by which they are found. Empty when a
	// user of the cluster's is given the role.
	Accounts string `json:"accounts,omitempty"`
	Grant    string `json:"grant,omitempty"`
	// User is that user.
	User string      `json:"user,omitempty"`
	Mark access.Mark `json:"mark"`
	// Action is something that the role allows, by which to ask the server whether it has taken notice; empty where the
	// role is not known.
	Action accessReviewSpec `json:"action,omitzero"`
}

func (v plan) atom() access.Atom {
	return access.Atom{Target: v.Cluster, Account: v.Binding, Right: rightBinding}
}

// bindings is the path of the objects of the kind that the binding is of.
func (v plan) bindings() string { return bindingsPath(v.Namespace) }

// path is that of the binding.
func (v plan) path() string { return path(v.bindings(), v.Binding) }

// where is the binding in one word, as an annotation of accounts.
func (v plan) where() string { return v.Namespace + "/" + v.Binding }

func (v plan) encode() (access.Plan, error) { return connector.EncodePlan(v, v.atom()) }

func decodePlan(p access.Plan) (plan, error) {
	v, err := connector.DecodePlan[plan](p)
	if err != nil {
		return plan{}, err
	}
	if v.Binding == "" || v.Mark == "" || v.Cluster == "" {
		return plan{}, connector.IncompletePlan("binding")
	}
	return v, nil
}
