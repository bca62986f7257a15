package memory

import (
	"context"
	"iter"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// groupBugs are mistakes with rights that several grants may hold, and one with lists.
func groupBugs() []bug {
	return []bug{
		{"it makes what it has planned, whatever it is handed", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				if o.Entitlement == orders("write") {
					b.target.AddMember(Member{Account: o.Account, Group: "orders:write", Mark: o.Mark})
				}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"of a shared plan only what is handed over is made and removed"}},

		{"it sees its own marks only", breakDriver(func(b *broken) {
			b.observe = observedAs(b, func(a *connector.AtomPresence) {
				if a.Foreign {
					a.State, a.Foreign = connector.Absent, false
				}
			})
		}), []string{"a right that somebody else gave is seen"}},

		{"it removes what others gave", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				r, err := b.Driver.Revoke(ctx, o, p)
				for _, a := range p.Atoms {
					b.target.RemoveMember(a.Account, a.Right)
				}
				return r, err
			}
		}), []string{"a right that is foreign survives revoke"}},

		{"it marks again what is there", breakDriver(func(b *broken) {
			b.grant = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
				for _, a := range p.Atoms {
					if b.target.IsMember(a.Account, a.Right) {
						b.target.AddMember(Member{Account: a.Account, Group: a.Right, Mark: o.Mark + "'"})
					}
				}
				return b.Driver.Grant(ctx, o, p)
			}
		}), []string{"two grants of one right leave one right"}},

		{"the target obeys late orders", breakDriver(func(b *broken) { b.target.IgnoreActBy(true) }),
			[]string{"a late order about a shared right has no effect"}},

		{"it takes any account", breakDriver(func(b *broken) {
			b.prepare = func(ctx context.Context, o connector.Order) (access.Plan, error) {
				o.Account = "alice-account"
				return b.Driver.Prepare(ctx, o)
			}
		}), []string{"an account that is not there is refused"}},

		{"extend makes the right", breakDriver(func(b *broken) {
			b.extend = func(ctx context.Context, o connector.Order, p access.Plan) error {
				_, err := b.Grant(ctx, o, p)
				return err
			}
		}), []string{"extend makes no shared right"}},

		{"blind, it says absent", breakDriver(func(b *broken) {
			b.observe = observedAs(b, func(a *connector.AtomPresence) {
				if a.State == connector.Unknown {
					a.State = connector.Absent
				}
			})
		}), []string{"an observer without sight never says absent of a shared right"}},

		{"it does not find what is gone already", breakDriver(func(b *broken) {
			b.revoke = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Removal, error) {
				if len(p.Atoms) > 0 && !b.target.IsMember(p.Atoms[0].Account, p.Atoms[0].Right) {
					return connector.Removal{}, access.Errorf(access.KindNotFound, "It is gone already.")
				}
				return b.Driver.Revoke(ctx, o, p)
			}
		}), []string{"one right, granted and revoked at once"}},

		{"its list has no plans", breakDriver(func(b *broken) {
			b.list = func(ctx context.Context) iter.Seq2[access.Sighting, error] {
				return func(yield func(access.Sighting, error) bool) {
					for s, err := range b.Driver.List(ctx) {
						s.Plan = access.Plan{}
						if !yield(s, err) {
							return
						}
					}
				}
			}
		}), []string{"what is listed can be removed by what the list says"}},
	}
}

// observedAs lets a driver see every atom in its own way.
func observedAs(b *broken, f func(*connector.AtomPresence)) func(context.Context, connector.Order, access.Plan) (connector.Presence, error) {
	return func(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
		presence, err := b.Driver.Observe(ctx, o, p)
		for i := range presence.Atoms {
			f(&presence.Atoms[i])
		}
		return presence, err
	}
}
