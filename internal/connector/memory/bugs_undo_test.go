package memory

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// leftoverBugs are mistakes that leave access behind.
func leftoverBugs() []bug {
	return []bug{
		{"it forgets to remove", breakDriver(func(b *broken) {
			b.revoke = func(context.Context, connector.Order, access.Plan) (connector.Removal, error) {
				return connector.Removal{}, nil
			}
		}), []string{"access is gone after revoke", "revoke twice", "grant twice is the same access",
			"revoke by another process, from the plan alone", "300 grants, all revoked", "32 orders at once",
			"one order, granted and revoked at once", "the target dies in the middle of grant and comes back"}},

		{"it forgets the sessions", breakDriver(func(b *broken) {
			b.revoke = func(_ context.Context, _ connector.Order, p access.Plan) (connector.Removal, error) {
				b.edit(p, func(a *account) { delete(b.target.accounts, a.Name) })
				return connector.Removal{}, nil
			}
		}), []string{"open sessions are seen, ended and counted", "a session that outlives native expiry ends at revoke",
			"the target dies in the middle of revoke and comes back"}},

		{"it does not count the sessions", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				_, err := b.Driver.Revoke(ctx, o, p)
				return connector.Removal{}, err
			}
		}), []string{"open sessions are seen, ended and counted"}},
	}
}

// overreachBugs are mistakes that take from others.
func overreachBugs() []bug {
	return []bug{
		{"it removes everything of the principal", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				r, err := b.Driver.Revoke(ctx, o, p)
				b.removeWhere(func(a *account) bool { return strings.HasPrefix(a.Comment, access.StaticIssuer+"/") })
				return r, err
			}
		}), []string{"overlapping grants of one principal are independent", "another grant's session survives revoke",
			"32 orders at once"}},

		{"it removes every mark", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				r, err := b.Driver.Revoke(ctx, o, p)
				b.removeWhere(func(a *account) bool { return a.Mark != "" })
				return r, err
			}
		}), []string{"another installation's marks are listed and left alone"}},

		{"it ends everybody's sessions", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				r, err := b.Driver.Revoke(ctx, o, p)
				b.target.mu.Lock()
				defer b.target.mu.Unlock()
				for _, a := range b.target.accounts {
					a.sessions = nil
				}
				return r, err
			}
		}), []string{"a standing session survives revoke", "another grant's session survives revoke"}},
	}
}

// stuckBugs are mistakes that keep a removal from succeeding.
func stuckBugs() []bug {
	return []bug{
		{"objects block it", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				name, _ := accountOf(p)
				b.target.mu.Lock()
				blocked := len(b.target.objects[name]) > 0
				b.target.mu.Unlock()
				if blocked {
					return connector.Removal{}, access.Errorf(access.KindConflict, "Some objects depend on it.")
				}
				return b.Driver.Revoke(ctx, o, p)
			}
		}), []string{"objects that the user made do not block removal"}},

		{"housekeeping never ends", func(_ *connectortest.Harness, target *Target) { target.LockObjects(true) },
			[]string{"objects that the user made do not block removal"}},

		{"absent is an error", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				name, _ := accountOf(p)
				b.target.mu.Lock()
				gone := b.target.accounts[name] == nil
				b.target.mu.Unlock()
				if gone {
					return connector.Removal{}, access.Errorf(access.KindNotFound, "It is not there.")
				}
				return b.Driver.Revoke(ctx, o, p)
			}
		}), []string{"revoke twice", "revoke without grant"}},

		{"it needs the whole order", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				if o.Principal.IsZero() {
					return connector.Removal{}, access.Errorf(access.KindInvalid, "Who is it?")
				}
				return b.Driver.Revoke(ctx, o, p)
			}
		}), []string{"revoke by another process, from the plan alone"}},

		{"it remembers grants in the process", breakDriver(func(b *broken) {
			made := map[access.GrantID]bool{}
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				made[o.Grant] = true
				return b.Driver.Grant(ctx, o, p)
			}
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				if !made[o.Grant] {
					return connector.Removal{}, nil
				}
				return b.Driver.Revoke(ctx, o, p)
			}
		}), []string{"revoke by another process, from the plan alone"}},
	}
}

// faultBugs are mistakes that show when something goes wrong.
func faultBugs() []bug {
	dies := make([]string, 0, len(connector.Calls()))
	for _, call := range connector.Calls() {
		dies = append(dies, fmt.Sprintf("the target dies in the middle of %s and comes back", call))
	}
	return []bug{
		{"a dead target is an internal error", func(h *connectortest.Harness, target *Target) {
			h.Interrupt = func(_ testing.TB, call connector.Call, point int) connectortest.Disturbance {
				fail := access.Errorf(access.KindInternal, "Something failed.")
				f := Fault{Call: call, Moment: Moment(point), Effect: Fail, Err: fail, Times: 1}
				reached, disarm := target.Inject(f)
				return connectortest.Disturbance{Reached: reached, Back: disarm}
			}
		}, dies},

		{"it does not heed cancellation", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				return b.Driver.Grant(context.WithoutCancel(ctx), o, p)
			}
		}), []string{"a call whose context has ended does nothing",
			"a cancelled call returns and leaves nothing that revoke cannot remove"}},

		{"closing does nothing", func(h *connectortest.Harness, target *Target) {
			h.Open = func(testing.TB) connector.Driver { return neverClosed{target.Driver(target.clock)} }
		}, []string{"close, then use"}},
	}
}

// neverClosed is a driver that goes on after Close.
type neverClosed struct{ connector.Driver }

func (neverClosed) Close() error { return nil }
