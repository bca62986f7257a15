package directory

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/planted"
	"github.com/curfewhq/curfew/internal/store"
)

// txEndedThere ends what a provider says is over.
const txEndedThere store.TxName = "ended-at-provider"

// EndedAtProvider ends the sessions of those sign-ins that a source says are over, and says how many. Tokens that somebody had
// made for programs stay, as do the sessions of workloads: they did not come of a session at the provider, and whoever leaves for
// good loses them by being gone there (Gone). What the source has said before is access.KindUnauthenticated.
func (r *Registrar) EndedAtProvider(ctx context.Context, source string, told identity.Ended) (n int, err error) {
	err = r.books.Change(ctx, txEndedThere, func(tx store.Tx, enter func(access.Event) error) error {
		if _, err := tx.SpentTokens().DeleteEnded(r.tenant, tx.Now(), housekeeping); err != nil {
			return err
		}
		err := tx.SpentTokens().Spend(r.tenant, store.HashSecret(source+"\n"+told.ID), told.Until)
		if access.KindOf(err) == access.KindConflict {
			return access.Wrap(access.KindUnauthenticated, err, "The identity provider has said this before.")
		}
		if err != nil {
			return err
		}
		if told.Session != "" {
			err := tx.SpentTokens().Spend(r.tenant, providerSession(source, told.Subject, told.Session), tx.Now().Add(overFor))
			if err != nil && access.KindOf(err) != access.KindConflict { // it was over before
				return err
			}
		}
		ended, err := tx.Sessions().DeleteSignIns(r.tenant, r.signIns(source, told))
		if err != nil {
			return err
		}
		n = len(ended)
		for _, s := range ended {
			event := sessionEvent(access.EventSessionEnded, s, access.PrincipalID{})
			event.Detail["ended_by"] = source
			if err := enter(event); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// signIns are those that a provider means. Where the people are another source's, only the name of the session tells which, or a
// subject that is theirs there as well.
func (r *Registrar) signIns(source string, told identity.Ended) store.SignIns {
	of, elsewhere := r.directory().config.Accounts[source]
	switch {
	case elsewhere && told.Session != "":
		return store.SignIns{Source: of.Of, ProviderSession: told.Session}
	case elsewhere:
		return store.SignIns{Source: of.Of, Subject: told.Subject}
	}
	return store.SignIns{Source: source, Subject: told.Subject, ProviderSession: told.Session}
}

// overFor is how long it is remembered that a session at a provider is over: no sign-in under way takes longer.
const overFor = time.Hour

// providerSession is by what it is remembered: for one subject, or for whoever's it is.
func providerSession(source, subject, session string) store.SecretHash {
	return store.HashSecret("session at " + source + "\n" + subject + "\n" + session)
}

// refuseOver refuses a sign-in by a session at the provider that is over by now: the provider may say so after it has signed
// somebody in, and before their session here begins.
func (r *Registrar) refuseOver(tx store.Tx, in SignIn) error {
	if in.Account.Session == "" || planted.Active(planted.LogoutForgotten) {
		return nil
	}
	for _, subject := range []string{"", in.Account.Subject} {
		over, err := tx.SpentTokens().Spent(r.tenant, providerSession(in.Source, subject, in.Account.Session))
		if err != nil {
			return err
		}
		if over {
			return access.Errorf(access.KindUnauthenticated, "Your session at the identity provider has ended meanwhile; sign in again.")
		}
	}
	return nil
}
