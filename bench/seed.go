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
		for from := 0; from < n; from += seedBatch {
			if err := w.batch(ctx, from, min(n, from+seedBatch), deadline); err != nil {
				return err
			}
		}
		return nil
	})
}

func openSealer(ctx context.Context, i installation, s *sqlstore.SQLite) (*secret.Sealer, error) {
	wrapper, err := localfile.Open(i.keyPath())
	if err != nil {
		return nil, err
	}
	var wrapped []byte
	err = s.View(ctx, func(tx store.Tx) (err error) {
		wrapped, err = tx.Keys().Get(access.DefaultTenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	return secret.OpenSealer(ctx, wrapper, access.DefaultTenant, wrapped)
}

func (w seeder) batch(ctx context.Context, from, to int, deadline func(int) time.Time) error {
	return w.store.Update(ctx, "seed", func(tx store.Tx) error {
		for n := from; n < to; n++ {
			if err := w.grant(tx, n, deadline(n)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w seeder) grant(tx store.Tx, n int, deadline time.Time) error {
	entitlement := access.Entitlement{Connector: "db", Resource: "orders", Permission: "read"}
	who := access.PrincipalID{Issuer: access.StaticIssuer, Subject: asker(n)}
	ids := engine.UUIDs{}
	r := access.Request{
		ID: access.RequestID(ids.New(access.RequestPrefix)), Tenant: access.DefaultTenant, Principal: who, Person: access.PersonID(who.Subject),
		Entitlements: []access.Entitlement{entitlement}, Duration: time.Hour, Reason: "look at order 17",
		State: access.RequestApproved, CreatedAt: tx.Now(), SettledAt: tx.Now(),
	}
	g := access.Grant{
		ID: access.GrantID(ids.New(access.GrantPrefix)), Tenant: r.Tenant, Request: r.ID, Principal: who, Person: r.Person,
		Entitlement: entitlement, Duration: time.Hour, State: access.GrantActive, CreatedAt: tx.Now(), StartAt: tx.Now(),
		ActivatedAt: tx.Now(), Deadline: deadline, DueAt: deadline, Attempt: 1,
	}
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

// plan is one of the in-memory target, sealed where the engine looks for it.
func (w seeder) plan(g access.Grant) ([]byte, error) {
	account := "curfew-" + strings.ToLower(string(g.ID))
	plain, err := json.Marshal(access.Plan{
		Atoms: []access.Atom{{Target: "db", Account: account, Right: "orders:read"}},
		Body:  json.RawMessage(fmt.Sprintf(`{"account":%q}`, account)),
	})
	if err != nil {
		return nil, err
	}
	return w.sealer.Seal(secret.Place{Table: "plans", Row: string(g.ID), Column: "sealed", Version: 1}, plain)
}
