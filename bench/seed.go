package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// seedBatch is how many grants share a transaction of seeding.
const seedBatch = 500

// seeder writes active grants straight into the books, with requests and plans as the engine writes them, because making
// a million through the front door is another number. It leaves out what nothing here reads: decisions and events.
type seeder struct {
	store  *sqlstore.SQLite
	sealer *secret.Sealer
}

// seed opens the books of an installation that was started once, and writes n grants; deadline says when each ends.
func seed(ctx context.Context, i installation, n int, deadline func(int) time.Time) error {
	return i.books(ctx, func(s *sqlstore.SQLite) error {
		sealer, err := openSealer(ctx, i, s)
		if err != nil {
			return err
		}
		w := seeder{store: s, sealer: sealer}
		if err := w.all(ctx, n, func(tx store.Tx, k int) error { return w.grant(tx, k, deadline(k)) }); err != nil {
			return err
		}
		// What is seeded was never decided.
		return s.Update(ctx, "seed", func(tx store.Tx) error { return tx.Rules().SetDecided(access.DefaultTenant, "") })
	})
}

// all writes n things, many with a transaction.
func (w seeder) all(ctx context.Context, n int, write func(store.Tx, int) error) error {
	for from := 0; from < n; from += seedBatch {
		err := w.store.Update(ctx, "seed", func(tx store.Tx) error {
			for k := from; k < min(n, from+seedBatch); k++ {
				if err := write(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func openSealer(ctx context.Context, i installation, s *sqlstore.SQLite) (*secret.Sealer, error) {
	wrapper, err := localfile.Open(i.keyPath())
	if err != nil {
		return nil, err
	}
	owner := secret.Owner{Tenant: access.DefaultTenant}
	var wrapped []secret.WrappedKeys
	err = s.View(ctx, func(tx store.Tx) (err error) {
		if owner.Installation, err = tx.Installation().ID(); err != nil {
			return err
		}
		kept, err := tx.Keys().List(owner.Tenant)
		for _, k := range kept {
			wrapped = append(wrapped, k.WrappedKeys)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return secret.OpenSealer(ctx, wrapper, owner, func(context.Context) ([]secret.WrappedKeys, error) { return wrapped, nil })
}

// entitlement is what all that is seeded is about.
func entitlement() access.Entitlement {
	return access.Entitlement{Connector: "db", Resource: "orders", Permission: "read"}
}

// request is a request of a holder's.
func request(tx store.Tx, n int, state access.RequestState) access.Request {
	who := access.PrincipalID{Issuer: access.StaticIssuer, Subject: holder(n)}
	r := access.Request{
		ID: access.RequestID(engine.UUIDs{}.New(access.RequestPrefix)), Tenant: access.DefaultTenant, Principal: who, Person: access.PersonID(who.Subject),
		Entitlements: []access.Entitlement{entitlement()}, Duration: time.Hour, Reason: "look at order 17",
		State: state, CreatedAt: tx.Now(), LapsesAt: tx.Now().Add(24 * time.Hour),
	}
	if state != access.RequestPending {
		r.SettledAt = tx.Now()
	}
	return r
}

// grantOf is a grant of the request, which has just begun.
func grantOf(r access.Request) access.Grant {
	return access.Grant{
		ID: access.GrantID(engine.UUIDs{}.New(access.GrantPrefix)), Tenant: r.Tenant, Request: r.ID, Principal: r.Principal, Person: r.Person,
		Entitlement: entitlement(), Duration: time.Hour, State: access.GrantActive, CreatedAt: r.CreatedAt, StartAt: r.CreatedAt,
		ActivatedAt: r.CreatedAt, Attempt: 1, MarkGeneration: 1,
	}
}

func (w seeder) grant(tx store.Tx, n int, deadline time.Time) error {
	r := request(tx, n, access.RequestApproved)
	g := grantOf(r)
	g.Deadline, g.DueAt = deadline, deadline
	sealed, err := w.plan(g)
	if err != nil {
		return err
	}
	if err := tx.Requests().Insert(r); err != nil {
		return err
	}
	if err := tx.Grants().Insert(g); err != nil {
		return err
	}
	return tx.Plans().Put(g.Tenant, g.ID, sealed)
}

func seededAccount(g access.GrantID) string { return "curfew-" + strings.ToLower(string(g)) }

// seededPlan is one of the in-memory target.
func seededPlan(account string) access.Plan {
	return access.Plan{
		Atoms: []access.Atom{{Target: "db", Account: account, Right: "orders:read"}},
		Body:  json.RawMessage(fmt.Sprintf(`{"account":%q}`, account)),
	}
}

// plan is sealed where the engine looks for it.
func (w seeder) plan(g access.Grant) (store.Sealed, error) {
	plain, err := json.Marshal(seededPlan(seededAccount(g.ID)))
	if err != nil {
		return store.Sealed{}, err
	}
	sealed, err := w.sealer.Seal(secret.Place{Table: "plans", Row: string(g.ID), Column: "sealed", Version: 1}, plain)
	return store.Sealed{Generation: w.sealer.Generation(), Bytes: sealed}, err
}
