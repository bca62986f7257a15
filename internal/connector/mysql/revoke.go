package mysql

import (
	"context"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

const (
	callRevoke = `CALL curfew.revoke_account(?, ?, ?)`
	// endRounds bounds how often sessions that are still ending are ended again in one call, and endPause is the time between.
	endRounds = 40
	endPause  = 25 * time.Millisecond
)

// Revoke drops the account, which takes all its rights in one step, and ends its sessions until there is none. Nothing that
// the user made is in its way.
func (d *driver) Revoke(ctx context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Removal{}, err
	}
	ended := map[string]bool{}
	for range endRounds {
		var sessions string
		if err := one(ctx, d.pool, callRevoke, []any{v.System, v.Account, string(v.Mark)}, &sessions); err != nil {
			return connector.Removal{}, d.fail(ctx, err, "drop the account")
		}
		if sessions == "" {
			return connector.Removal{SessionsEnded: len(ended)}, nil
		}
		for _, id := range strings.Fields(sessions) {
			ended[id] = true
		}
		select {
		case <-time.After(endPause):
		case <-ctx.Done():
			return connector.Removal{}, d.fail(ctx, ctx.Err(), "end the sessions of the account")
		}
	}
	return connector.Removal{}, access.Errorf(access.KindUnavailable, "The account %s of the connector %s is dropped, and sessions of it are still ending.", v.Account, d.name)
}

// Tidy has nothing to do: what a user made belongs to no account, and an account that is gone leaves nothing.
func (d *driver) Tidy(ctx context.Context, _ connector.Order, p access.Plan) (string, error) {
	v, err := decodePlan(p)
	if err != nil {
		return "", err
	}
	system, err := d.readSystem(ctx)
	if err == nil && system != v.System {
		err = d.elsewhere("tidy")
	}
	return "", err
}

const readSystem = `SELECT id FROM curfew.identity`

func (d *driver) readSystem(ctx context.Context) (string, error) {
	var system string
	err := one(ctx, d.pool, readSystem, nil, &system)
	return system, d.fail(ctx, err, "read the server's identity")
}
