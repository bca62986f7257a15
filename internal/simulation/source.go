package simulation

import (
	"context"
	"fmt"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// txTold is the transaction in which the source is taken over.
const txTold store.TxName = "source-synced"

// registrar keeps what the source tells, by an engine.
func (w *World) registrar(e *engine.Engine) *directory.Registrar {
	return directory.NewRegistrar(e, w.ids, access.DefaultTenant, func() *directory.Directory { return w.people.Directory })
}

// introduce has the source tell of everybody, before anything goes wrong.
func (w *World) introduce() {
	e := w.engineOn(w.books, w.rulesOver(w.driver(w.storeClock), w.storeClock))
	err := e.Change(context.Background(), txTold, func(tx store.Tx, enter func(access.Event) error) error {
		for _, account := range told() {
			p, err := w.registrar(e).Tell(tx, enter, source, account)
			if err != nil {
				return err
			}
			w.people.persons[p.ID] = p.Person
		}
		return nil
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
	w.changed = true
}

// hear has a node take over what the source says of somebody: that they are gone, that they have no groups any more, or that
// they are there as before.
func (w *World) hear(n *node) {
	account := one(w.choose, told())
	say := func(says string, tell func(r *directory.Registrar, tx store.Tx, enter directory.Enter) error) {
		w.call(n, "source", fmt.Sprintf("says that %s %s", account.Subject, says), func(ctx context.Context, e *engine.Engine) error {
			return e.Change(ctx, txTold, func(tx store.Tx, enter func(access.Event) error) error { return tell(w.registrar(e), tx, enter) })
		})
	}
	tell := func(a identity.Account) func(*directory.Registrar, store.Tx, directory.Enter) error {
		return func(r *directory.Registrar, tx store.Tx, enter directory.Enter) error {
			_, err := r.Tell(tx, enter, source, a)
			return err
		}
	}
	switch w.choose.among(4, 2, 2) {
	case 0:
		say("is there", tell(account))
	case 1:
		say("is gone", func(r *directory.Registrar, tx store.Tx, enter directory.Enter) error {
			return r.Gone(tx, enter, id(account.Subject))
		})
	default:
		say("has no groups", tell(identity.Account{Subject: account.Subject}))
	}
}

// follow has a node decide again what those have of whom something changed.
func (w *World) follow(n *node) {
	w.call(n, "people", "decides again what people have", func(ctx context.Context, e *engine.Engine) error {
		_, err := e.ReconsiderPeople(ctx)
		return err
	})
}

func isUndecided(p access.Profile) bool { return !p.UndecidedSince.IsZero() }
