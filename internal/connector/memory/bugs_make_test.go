package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// grantBugs are mistakes in what is made, and when.
func grantBugs() []bug {
	return []bug{
		{"prepare makes the account", breakDriver(func(b *broken) {
			b.prepare = func(ctx context.Context, o connector.Order) (access.Plan, error) {
				p, err := b.Driver.Prepare(ctx, o)
				if err == nil {
					_, err = b.Driver.Grant(ctx, o, p)
				}
				return p, err
			}
		}), []string{"prepare changes nothing", "access works after grant and not before"}},

		{"it grants something else", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				o.Entitlement = orders("write")
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"access works after grant and not before"}},

		{"the target lets every account do everything", func(h *connectortest.Harness, target *Target) {
			h.Login = func(_ context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
				s, err := target.Login(c.Username, c.Password)
				if err != nil {
					return nil, lawError(err)
				}
				return lawSession{s, orders(s.account.Permission)}, nil
			}
		}, []string{"a grant gives its entitlement and no other"}},

		{"it makes a helper without a mark", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				_ = b.target.AddAccount(Account{Name: "helper"}, "")
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"a grant makes nothing but what bears its mark", "access is gone after revoke"}},

		{"each attempt makes another account", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				name := fmt.Sprintf("curfew-%s-%d", o.Grant, len(b.target.Accounts()))
				_ = b.target.AddAccount(Account{Name: name, Mark: o.Mark}, "")
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"grant twice is the same access", "one order, granted and revoked at once",
			"extend keeps credential and session"}},

		{"an order may be late", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				o.ActBy = time.Time{}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"a late order has no effect"}},

		{"an extension may be late", breakDriver(func(b *broken) {
			b.extend = func(ctx context.Context, o connector.Order, p access.Plan) error {
				o.ActBy = time.Time{}
				return b.Driver.Extend(ctx, o, p)
			}
		}), []string{"a late order has no effect"}},
	}
}

// injectionBugs are mistakes in what names are taken for.
func injectionBugs() []bug {
	return []bug{
		{"it runs what principals are called", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				if strings.Contains(o.Principal.Subject, ";") {
					b.target.RemoveAccount("alice")
				}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"hostile principals"}},

		{"it refuses long names", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				if len(o.Principal.Subject) > 255 {
					return connector.Outcome{}, access.Errorf(access.KindInvalid, "The name is too long.")
				}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"hostile principals"}},

		{"it runs what parameters say", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				for _, v := range o.Params {
					if strings.Contains(v, "\n") {
						_ = b.target.AddAccount(Account{Name: "injected"}, "")
					}
				}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"hostile accounts and parameters"}},

		{"it forgives spaces around a resource", breakDriver(func(b *broken) {
			b.prepare = func(ctx context.Context, o connector.Order) (access.Plan, error) {
				o.Entitlement.Resource = strings.TrimSpace(o.Entitlement.Resource)
				return b.Driver.Prepare(ctx, o)
			}
		}), []string{"hostile resources and permissions"}},
	}
}

// credentialBugs are mistakes in who gets which secret.
func credentialBugs() []bug {
	return []bug{
		{"it issues a credential to nobody", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				o.Recipient = []byte("anybody")
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"without a recipient nothing is issued"}},

		{"a credential has a shell load what the target names", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				out, err := b.Driver.Grant(ctx, o, p)
				if err == nil && out.Credential != nil {
					out.Credential.Env["LD_PRELOAD"] = "/tmp/x.so"
				}
				return out, err
			}
		}), []string{"access works after grant and not before", "32 orders at once"}},

		{"a second recipient gets the first one's password", breakDriver(func(b *broken) {
			issued := map[access.GrantID]*access.Credential{}
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				out, err := b.Driver.Grant(ctx, o, p)
				if first := issued[o.Grant]; err == nil && first != nil {
					b.edit(p, func(a *account) { a.password = first.Password })
					out.Credential = first
				}
				issued[o.Grant] = out.Credential
				return out, err
			}
		}), []string{"the credential issued last counts, alone"}},

		{"a credential is kept per principal", breakDriver(func(b *broken) {
			var mu sync.Mutex
			issued := map[access.PrincipalID]*access.Credential{}
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				out, err := b.Driver.Grant(ctx, o, p)
				mu.Lock()
				defer mu.Unlock()
				if issued[o.Principal] == nil {
					issued[o.Principal] = out.Credential
				}
				out.Credential = issued[o.Principal]
				return out, err
			}
		}), []string{"overlapping grants of one principal are independent", "32 orders at once"}},

		{"the refined plan holds the password", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				out, err := b.Driver.Grant(ctx, o, p)
				if err == nil {
					body, _ := json.Marshal(map[string]string{"account": out.Credential.Username, "pw": out.Credential.Password})
					out.Plan = &access.Plan{Atoms: p.Atoms, Body: body}
				}
				return out, err
			}
		}), []string{"no secret in plans, reads and lists"}},

		{"the refined plan alone names the account", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				body, _ := json.Marshal(planBody{Account: "chosen-" + string(o.Grant)})
				chosen := access.Plan{Atoms: p.Atoms, Body: body}
				out, err := b.Driver.Grant(ctx, o, chosen)
				out.Plan = &chosen
				return out, err
			}
		}), []string{"a refined plan may be lost"}},
	}
}

// lateBy is a driver that sets the target's expiry differently from what it reports.
func lateBy(expiry func(deadline time.Time) time.Time) func(*connectortest.Harness, *Target) {
	return breakDriver(func(b *broken) {
		b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
			out, err := b.Driver.Grant(ctx, o, p)
			b.edit(p, func(a *account) { a.Expiry = expiry(o.Deadline) })
			return out, err
		}
	})
}

// expiryBugs are mistakes in when the target itself ends the access.
func expiryBugs() []bug {
	return []bug{
		{"expiry is a minute late", lateBy(func(d time.Time) time.Time { return d.Add(time.Minute) }),
			[]string{"native expiry is not after the deadline", "a credential that is issued after extend lives longer", "the target refuses after the deadline"}},
		{"expiry is rounded up", lateBy(func(d time.Time) time.Time { return d.Truncate(time.Second).Add(time.Second) }),
			[]string{"native expiry is not after the deadline"}},
		{"there is no expiry", lateBy(func(time.Time) time.Time { return time.Time{} }),
			[]string{"native expiry is not after the deadline", "a short grant expires as soon as the target can", "the target refuses after the deadline"}},

		{"extend does nothing", breakDriver(func(b *broken) {
			b.extend = func(context.Context, connector.Order, access.Plan) error { return nil }
		}), []string{"the target refuses after the deadline", "extend makes no access",
			"native expiry is not after the deadline"}},

		{"extend never moves the expiry out", breakDriver(func(b *broken) {
			b.extend = func(ctx context.Context, o connector.Order, p access.Plan) error {
				b.edit(p, func(a *account) {
					if o.Deadline.After(a.Expiry) {
						o.Deadline = a.Expiry
					}
				})
				return b.Driver.Extend(ctx, o, p)
			}
		}), []string{"extend moves the native expiry", "native expiry is not after the deadline"}},

		{"extend changes the password", breakDriver(func(b *broken) {
			b.extend = func(ctx context.Context, o connector.Order, p access.Plan) error {
				_, err := b.Driver.Grant(ctx, o, p)
				return err
			}
		}), []string{"extend keeps credential and session", "extend makes no access",
			"the target dies in the middle of extend and comes back"}},

		{"extend ends the sessions", breakDriver(func(b *broken) {
			b.extend = func(ctx context.Context, o connector.Order, p access.Plan) error {
				b.edit(p, func(a *account) { a.sessions = nil })
				return b.Driver.Extend(ctx, o, p)
			}
		}), []string{"extend keeps credential and session"}},
	}
}
