package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Observe reads the binding and the accounts. A server says no to who may not see something, and never that it is not there; so
// an absent binding is one that could be seen. That it is this cluster's server which answers is the positive control.
func (d *driver) Observe(ctx context.Context, _ connector.Order, p access.Plan) (connector.Presence, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Presence{}, err
	}
	presence, err := d.observe(ctx, v)
	if err != nil {
		return connector.Presence{}, d.fail(ctx, err, "read back access")
	}
	return presence, nil
}

func (d *driver) observe(ctx context.Context, v plan) (connector.Presence, error) {
	if err := d.sameCluster(ctx, v); err != nil {
		return connector.Presence{}, err
	}
	presence := connector.Presence{ReadBy: fmt.Sprintf("the account of %s, which sees the namespace kube-system of the cluster %s", d.name, v.Cluster)}
	state := connector.Absent
	b, err := d.readBinding(ctx, v)
	switch {
	case errors.Is(err, errForeign):
		state = connector.Unknown // somebody has taken our mark away, or made another in the place of ours
	case err != nil:
		return connector.Presence{}, err
	case b != nil:
		state, presence.NativeExpiry = connector.Present, b.expiry()
	}
	if v.Accounts != "" {
		for _, err := range d.accounts(ctx, v) {
			if err != nil {
				return connector.Presence{}, err
			}
			state = connector.Present
		}
	}
	if v.Accounts != "" && state == connector.Absent {
		var said string
		presence.Issued, said = d.tryProbe(ctx, v.Mark)
		presence.ReadBy += said
	}
	presence.Atoms = []connector.AtomPresence{{Atom: v.atom(), State: state}}
	return presence, nil
}
