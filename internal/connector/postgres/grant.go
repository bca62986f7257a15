package postgres

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Grant makes the role, and with a recipient a password for it. Either everything is there when it returns, or nothing.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	arg := v.order()
	arg.ValidUntil, arg.ActBy = timestamp(o.Deadline), timestamp(o.ActBy)
	var out connector.Outcome
	if len(o.Recipient) > 0 {
		password := newPassword()
		verifier, err := newVerifier(password, d.config.Iterations)
		if err != nil {
			return connector.Outcome{}, err
		}
		arg.Verifier = &verifier
		c := credential(d.pool.Config().ConnConfig, v.Database, v.Role, password)
		out.Credential = &c
	}
	var made struct {
		OID uint32 `json:"oid"`
	}
	if err := call(ctx, d.poolOf(v.Account), callGrant, arg, &made); err != nil {
		return connector.Outcome{}, d.fail(ctx, err, "make the log-in")
	}
	v.OID = made.OID
	refined, err := v.encode()
	if err != nil {
		return connector.Outcome{}, err
	}
	out.Plan, out.NativeExpiry = &refined, access.FromMicros(access.Micros(o.Deadline))
	return out, nil
}

// Extend moves the role's VALID UNTIL. Nothing else changes.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	arg := v.order()
	arg.ValidUntil, arg.ActBy = timestamp(o.Deadline), timestamp(o.ActBy)
	var none struct{}
	return d.fail(ctx, call(ctx, d.poolOf(v.Account), callExtend, arg, &none), "extend the log-in")
}
