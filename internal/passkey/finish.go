package passkey

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// visit is a ceremony that somebody has come back to, with who it is for as the directory knows them now.
type visit struct {
	store.Ceremony
	state state
	user  user
}

// errNoCeremony is the answer to a link that is not known, or too old.
var errNoCeremony = access.Errorf(access.KindNotFound, "This page is not known, was used, or is too old. Begin again in the program that brought you here.")

// visit finds the ceremony of a link.
func (k *Keeper) visit(ctx context.Context, link string) (v visit, err error) {
	var now time.Time
	err = k.config.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		v.Ceremony, err = tx.Ceremonies().ByLink(k.config.Tenant, store.HashSecret(link))
		return err
	})
	switch {
	case access.KindOf(err) == access.KindNotFound:
		return visit{}, errNoCeremony
	case err != nil:
		return visit{}, err
	}
	if err := json.Unmarshal(v.State, &v.state); err != nil {
		return visit{}, err
	}
	if v.state.Purpose == invite || v.DoneAt.IsZero() && !now.Before(v.Until) {
		return visit{}, errNoCeremony
	}
	p, err := k.config.Directory().Principal(ctx, v.Principal)
	switch {
	case access.KindOf(err) == access.KindNotFound:
		return visit{}, errNoCeremony
	case err != nil:
		return visit{}, err
	}
	v.user, err = k.user(ctx, p)
	return v, err
}

// errOver is the answer to doing again what was done.
var errOver = access.Errorf(access.KindConflict, "This was done, or refused, already.")

// Finish takes what the browser's authenticator answers to the ceremony of a link. It reports whether the browser is asked for
// more, and returns the recovery codes if that is what it was for.
func (k *Keeper) Finish(ctx context.Context, link string, answer []byte) (more bool, codes []string, err error) {
	v, err := k.visit(ctx, link)
	if err != nil {
		return false, nil, err
	}
	if !v.DoneAt.IsZero() {
		return false, nil, errOver
	}
	if v.state.Create {
		return false, nil, k.register(ctx, v, answer)
	}
	used, a, err := k.verify(v, answer)
	if err != nil {
		return false, nil, err
	}
	if used.Counter, err = nextCounter(used, a); err != nil {
		return false, nil, k.refuseCopy(ctx, v, used, err)
	}
	if v.state.confirms() {
		return false, nil, k.confirm(ctx, v, used, a)
	}
	v.state.Word = used.ID
	return k.proven(ctx, v, func(tx store.Tx, _ func(access.Event) error) error {
		used.UsedAt = tx.Now()
		return tx.Passkeys().Use(used)
	})
}

// verify holds an answer against the ceremony, and finds the passkey that it is of. It has the counter of before.
func (k *Keeper) verify(v visit, answer []byte) (access.Passkey, *protocol.ParsedCredentialAssertionData, error) {
	refused := func(err error) (access.Passkey, *protocol.ParsedCredentialAssertionData, error) {
		return access.Passkey{}, nil, access.Wrap(access.KindDenied, err, "This is not the answer of one of your passkeys to what was asked. Try again, with one of yours.")
	}
	a, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return refused(err)
	}
	credential, err := k.party.ValidateLogin(v.user, v.state.Session, a)
	if err != nil {
		return refused(err)
	}
	for _, p := range v.user.passkeys {
		if string(p.CredentialID) == string(credential.ID) {
			p.BackedUp = credential.Flags.BackupState
			return p, a, nil
		}
	}
	return refused(nil)
}

// nextCounter is the signature counter after an answer. One that does not go up may be of a copy of the authenticator; 0 is of
// one that does not count.
func nextCounter(p access.Passkey, a *protocol.ParsedCredentialAssertionData) (uint32, error) {
	counter := a.Response.AuthenticatorData.Counter
	if counter <= p.Counter && (counter != 0 || p.Counter != 0) {
		return p.Counter, access.Errorf(access.KindDenied,
			"This passkey has signed more often than it says: there may be a copy of it. Nothing was confirmed, and it is in the audit log; use another passkey, and remove this one.")
	}
	return counter, nil
}

// refuseCopy ends a ceremony at which a passkey showed that there may be a copy of it, and enters that.
func (k *Keeper) refuseCopy(ctx context.Context, v visit, p access.Passkey, why error) error {
	v.state.Refused = access.SafeMessage(why)
	err := k.config.Engine.Change(ctx, txEnded, func(tx store.Tx, enter func(access.Event) error) error {
		if err := k.end(tx, v); err != nil {
			return err
		}
		return enter(k.event(access.EventPasskeyRefused, v, map[string]string{"passkey": string(p.ID), "why": "counter"}))
	})
	if err != nil {
		return err
	}
	return why
}

// confirm has the engine keep a confirmation, which uses the ceremony up in the same transaction.
func (k *Keeper) confirm(ctx context.Context, v visit, p access.Passkey, a *protocol.ParsedCredentialAssertionData) error {
	c := v.state.confirmation(v.user)
	c.Passkey, c.CredentialID, c.PublicKey = p.ID, p.CredentialID, p.PublicKey
	c.ClientData, c.AuthenticatorData, c.Signature = a.Raw.AssertionResponse.ClientDataJSON, a.Raw.AssertionResponse.AuthenticatorData, a.Response.Signature
	if err := Verify(c, k.config.URL); err != nil {
		return fmt.Errorf("what would be kept could not be verified later: %w", err)
	}
	second := engine.SecondFactor{Confirmation: c, Spend: func(tx store.Tx, _ func(access.Event) error) error {
		p.UsedAt = tx.Now()
		if err := k.end(tx, v); err != nil {
			return err
		}
		return tx.Passkeys().Use(p)
	}}
	if v.state.Purpose == confirmRequest {
		_, err := k.config.Engine.Confirm(ctx, v.user.Principal, second)
		return err
	}
	o := v.state.opinion()
	o.Second = &second
	_, err := k.config.Engine.Review(ctx, v.user.Principal, v.state.Request, o)
	return err
}

// proven goes on with what needed somebody's word, which spend uses up in the same transaction.
func (k *Keeper) proven(ctx context.Context, v visit, spend with) (more bool, codes []string, err error) {
	switch v.state.Purpose {
	case addPasskey:
		return true, nil, k.askToCreate(ctx, v, spend)
	case removePasskey:
		return false, nil, k.remove(ctx, v, spend)
	default:
		codes, err = k.makeCodes(ctx, v, spend)
		return false, codes, err
	}
}

// askToCreate goes on from the old passkey to the new one.
func (k *Keeper) askToCreate(ctx context.Context, v visit, spend with) error {
	v.state.Create = true
	if err := k.prepare(v.user, &v.state); err != nil {
		return err
	}
	return k.config.Engine.Change(ctx, txProgressed, func(tx store.Tx, enter func(access.Event) error) error {
		if err := spend(tx, enter); err != nil {
			return err
		}
		return k.write(tx, v)
	})
}

// register keeps a new passkey.
func (k *Keeper) register(ctx context.Context, v visit, answer []byte) error {
	refused := func(err error) error {
		return access.Wrap(access.KindDenied, err, "This is not a new passkey that can be kept. Try again.")
	}
	a, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return refused(err)
	}
	credential, err := k.party.CreateCredential(v.user, v.state.Session, a)
	if err != nil {
		return refused(err)
	}
	p := newPasskey(v, access.PasskeyID(k.config.IDs.New(access.PasskeyPrefix)), credential)
	return k.config.Engine.Change(ctx, txEnded, func(tx store.Tx, enter func(access.Event) error) error {
		if err := k.mayKeep(tx, v); err != nil {
			return err
		}
		if err := k.end(tx, v); err != nil {
			return err
		}
		p.CreatedAt = tx.Now()
		if err := tx.Passkeys().Insert(p); err != nil {
			return err
		}
		ev := k.event(access.EventPasskeyAdded, v, map[string]string{"passkey": string(p.ID)})
		ev.Personal = map[string]string{"label": p.Label}
		return enter(ev)
	})
}

// mayKeep refuses a passkey beyond those that somebody may have, however many were begun at once: nobody would see it in their list. It
// refuses one that rests on a sign-in alone when there is another by now, or the sign-in has ended, and one that rests on a passkey which
// was removed: whoever had ended the one or removed the other would keep a passkey that somebody else has made.
func (k *Keeper) mayKeep(tx store.Tx, v visit) error {
	list, err := tx.Passkeys().List(v.Tenant, v.Principal)
	switch {
	case err != nil:
		return err
	case len(list) >= store.MaxPasskeys:
		return errTooMany
	case v.state.Word != "" && !slices.ContainsFunc(list, func(p access.Passkey) bool { return p.ID == v.state.Word }):
		return access.Errorf(access.KindDenied, "The passkey with which you agreed to this was removed. Begin again in the program that brought you here.")
	case !v.state.First:
		return nil
	case len(list) > 0:
		return access.Errorf(access.KindConflict, "You have a passkey by now, and this page was for the first. Begin again in the program that brought you here.")
	case v.state.SignedIn == "":
		return nil // with a token of the configuration
	}
	_, err = tx.Sessions().Get(v.Tenant, v.state.SignedIn)
	if access.KindOf(err) == access.KindNotFound {
		return access.Errorf(access.KindDenied, "The sign-in that this rests on has ended. Sign in, and begin again.")
	}
	return err
}

func newPasskey(v visit, id access.PasskeyID, c *webauthn.Credential) access.Passkey {
	return access.Passkey{
		ID: id, Tenant: v.Tenant, Principal: v.Principal, Person: v.user.Person, Label: v.state.Label, CredentialID: c.ID,
		PublicKey: c.PublicKey, Counter: c.Authenticator.SignCount, BackupEligible: c.Flags.BackupEligible, BackedUp: c.Flags.BackupState,
	}
}

func (k *Keeper) remove(ctx context.Context, v visit, spend with) error {
	return k.config.Engine.Change(ctx, txEnded, func(tx store.Tx, enter func(access.Event) error) error {
		if err := spend(tx, enter); err != nil {
			return err
		}
		if err := k.end(tx, v); err != nil {
			return err
		}
		if err := tx.Passkeys().Delete(v.Tenant, v.state.Passkey); err != nil {
			return err
		}
		return enter(k.event(access.EventPasskeyRemoved, v, map[string]string{"passkey": string(v.state.Passkey)}))
	})
}

// Refuse ends a ceremony that somebody does not mean.
func (k *Keeper) Refuse(ctx context.Context, link string) error {
	v, err := k.visit(ctx, link)
	if err != nil {
		return err
	}
	if !v.DoneAt.IsZero() {
		return errOver
	}
	v.state.Refused = "You said in the browser that you did not mean it."
	return k.config.Engine.Change(ctx, txEnded, func(tx store.Tx, _ func(access.Event) error) error { return k.end(tx, v) })
}

// end uses a ceremony up. Who has it in hand as it was before loses.
func (k *Keeper) end(tx store.Tx, v visit) error {
	v.DoneAt = tx.Now()
	return k.write(tx, v)
}

func (k *Keeper) write(tx store.Tx, v visit) (err error) {
	if !tx.Now().Before(v.Until) {
		return errNoCeremony
	}
	if !v.DoneAt.IsZero() { // nothing of it is needed any more but how it ended
		v.state = state{Purpose: v.state.Purpose, Refused: v.state.Refused}
	}
	if v.State, err = json.Marshal(v.state); err != nil {
		return err
	}
	return tx.Ceremonies().Update(v.Ceremony)
}

// event is about the human's own passkeys.
func (k *Keeper) event(kind access.EventKind, v visit, detail map[string]string) access.Event {
	return access.Event{Kind: kind, Actor: v.Principal, Subject: v.Principal, Person: v.user.Person, Detail: detail}
}

// Ceremony says how far a ceremony of the caller's is. refused says why it came to nothing, if it has.
func (k *Keeper) Ceremony(ctx context.Context, by access.Principal, id access.CeremonyID) (c access.Ceremony, refused string, err error) {
	var kept store.Ceremony
	var now time.Time
	err = k.config.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		kept, err = tx.Ceremonies().Get(k.config.Tenant, id)
		return err
	})
	if access.KindOf(err) == access.KindNotFound || err == nil && kept.Principal != by.ID {
		return c, "", access.Errorf(access.KindNotFound, "You have no ceremony %.64q.", id)
	}
	if err != nil {
		return c, "", err
	}
	var s state
	if err := json.Unmarshal(kept.State, &s); err != nil {
		return c, "", err
	}
	if kept.DoneAt.IsZero() && !now.Before(kept.Until) {
		s.Refused = "Nobody confirmed it in time."
	}
	return kept.Ceremony, s.Refused, nil
}
