package memory

import (
	"context"
	"iter"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// streamBugs are mistakes in what is checked, discovered and listed.
func streamBugs() []bug {
	return []bug{
		{"the clock is a minute off", breakDriver(func(b *broken) {
			b.check = func(context.Context) (connector.Health, error) { return connector.Health{Skew: -time.Minute}, nil }
		}), []string{"check finds a healthy target"}},

		{"discover forgets a permission", breakDriver(func(b *broken) {
			b.discover = func(context.Context) iter.Seq2[access.Resource, error] {
				return stream(func() ([]access.Resource, error) {
					return []access.Resource{{Name: "orders", Permissions: []string{"read"}}}, nil
				})
			}
		}), []string{"discover names what can be asked for"}},

		{"list goes on when nobody listens", breakDriver(func(b *broken) {
			b.list = func(ctx context.Context) iter.Seq2[access.Sighting, error] {
				return func(yield func(access.Sighting, error) bool) {
					b.Driver.List(ctx)(func(f access.Sighting, err error) bool {
						yield(f, err)
						return true
					})
					yield(access.Sighting{}, nil)
				}
			}
		}), []string{"discover and list stop when nobody listens"}},

		{"list yields one page", breakDriver(func(b *broken) {
			b.list = func(ctx context.Context) iter.Seq2[access.Sighting, error] {
				return func(yield func(access.Sighting, error) bool) {
					n := 0
					for f, err := range b.Driver.List(ctx) {
						if n++; n > 100 || !yield(f, err) {
							return
						}
					}
				}
			}
		}), []string{"300 grants, all revoked"}},

		{"list cuts marks short", breakDriver(func(b *broken) {
			b.list = func(ctx context.Context) iter.Seq2[access.Sighting, error] {
				return func(yield func(access.Sighting, error) bool) {
					for f, err := range b.Driver.List(ctx) {
						f.Mark = f.Mark[:min(len(f.Mark), 63)]
						if !yield(f, err) {
							return
						}
					}
				}
			}
		}), []string{"access works after grant and not before", "another installation's marks are listed and left alone"}},
	}
}

// observeBugs are mistakes in what is read back.
func observeBugs() []bug {
	return []bug{
		{"blind is absent", breakDriver(func(b *broken) {
			b.observe = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
				presence, err := b.Driver.Observe(ctx, o, p)
				for i, a := range presence.Atoms {
					if a.State == connector.Unknown {
						presence.Atoms[i].State = connector.Absent
					}
				}
				return presence, err
			}
		}), []string{"an observer without sight never says absent"}},

		{"absent without a positive control", breakDriver(func(b *broken) {
			b.observe = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
				presence, err := b.Driver.Observe(ctx, o, p)
				presence.ReadBy = ""
				return presence, err
			}
		}), []string{"access is gone after revoke", "revoke without grant"}},

		{"another atom is read", breakDriver(func(b *broken) {
			b.observe = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
				presence, err := b.Driver.Observe(ctx, o, p)
				for i := range presence.Atoms {
					presence.Atoms[i].Atom.Right = "another"
				}
				return presence, err
			}
		}), []string{"access works after grant and not before"}},

		{"not reached is absent", breakDriver(func(b *broken) {
			b.observe = func(ctx context.Context, o connector.Order, p access.Plan) (connector.Presence, error) {
				presence, _ := b.Driver.Observe(ctx, o, p)
				if presence.Atoms == nil {
					gone := connector.AtomPresence{Atom: p.Atoms[0], State: connector.Absent}
					presence = connector.Presence{Atoms: []connector.AtomPresence{gone}, ReadBy: "nobody"}
				}
				return presence, nil
			}
		}), []string{"the target dies in the middle of observe and comes back"}},
	}
}
