package directory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

const txWorkload store.TxName = "workload-signed-in"

// maxWorkloads is how many sessions a service may have at once where its workloads show tokens of their platform: each job of a
// large build has one. Nobody's is ended for another's.
const maxWorkloads = 500

// BeginWorkload gives a workload that is trusted a session of its service. Its token is not kept, nor is a note of it: one that is
// shown twice begins two sessions, each with an entry of its own in the audit log. Platforms give several processes the same
// token, and whoever has stolen one can as well use the session of the first exchange.
func (r *Registrar) BeginWorkload(ctx context.Context, w identity.Workload) (token string, s access.Session, err error) {
	owner, err := r.directory().Principal(ctx, w.Principal)
	if err != nil {
		return "", s, err
	}
	token = store.NewSecret(TokenPrefix)
	err = r.books.Change(ctx, txWorkload, func(tx store.Tx, enter func(access.Event) error) error {
		now := tx.Now()
		s = access.Session{
			ID: access.SessionID(r.ids.New(access.SessionPrefix)), Tenant: r.tenant, Kind: access.SessionWorkload, Principal: owner.ID,
			Person: owner.Person, Scopes: w.Scopes, IssuedBy: access.WorkloadRule(w.Rule), Label: workloadLabel(w.Subject),
			CreatedAt: now, UsedAt: now, EndsAt: now.Add(w.Lifetime),
		}
		if _, err := tx.Sessions().DeleteEnded(r.tenant, now, now.Add(-r.directory().config.Limits.Idle), housekeeping); err != nil {
			return err
		}
		sessions, _, err := tx.Sessions().List(r.tenant, store.SessionFilter{Principal: owner.ID}, store.Page{Limit: maxWorkloads})
		if err != nil {
			return err
		}
		if len(sessions) >= maxWorkloads {
			return access.Errorf(access.KindExhausted, "%s has %d sessions already; wait until one ends, or have several services.", owner.ID, maxWorkloads)
		}
		if err := tx.Sessions().Begin(s, store.HashSecret(token)); err != nil {
			return err
		}
		return enter(workloadEvent(s, w))
	})
	if err != nil {
		return "", access.Session{}, err
	}
	return token, s, nil
}

// workloadEvent says which rule has trusted whom for what. What a platform says of a job may name people.
func workloadEvent(s access.Session, w identity.Workload) access.Event {
	e := sessionEvent(access.EventSessionBegun, s, s.Principal)
	e.Detail["rule"], e.Detail["issuer"] = w.Rule, w.Issuer
	e.Personal["workload"], e.Personal["token_id"] = w.Subject, w.TokenID
	var by []string
	for _, name := range slices.Sorted(maps.Keys(w.Claims)) {
		by = append(by, name+"="+w.Claims[name])
	}
	e.Personal["claims"] = list(by)
	maps.DeleteFunc(e.Personal, func(_, v string) bool { return v == "" })
	return e
}

// workloadLabel is the subject, as far as a label may be long.
func workloadLabel(subject string) string {
	if len(subject) <= maxLabel {
		return subject
	}
	return strings.ToValidUTF8(subject[:maxLabel-len("…")], "") + "…"
}

// trusted reports whether the rule is in force by which a workload began the session.
func (d *Directory) trusted(s access.Session) bool {
	of, known := d.config.Workloads[s.IssuedBy.Subject]
	return known && s.IssuedBy.Issuer == access.WorkloadIssuer && of == s.Principal
}
