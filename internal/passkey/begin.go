package passkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// purpose is what a ceremony is for.
type purpose string

const (
	confirmRequest purpose = "confirm request"
	confirmReview  purpose = "confirm review"
	addPasskey     purpose = "add passkey"
	removePasskey  purpose = "remove passkey"
	newCodes       purpose = "new recovery codes"
	// invite is no ceremony of the invited: its link is the invitation, for a passkey that is then added.
	invite purpose = "invite"
)

// state is what a ceremony is about and how far it is.
type state struct {
	Purpose purpose `json:"purpose"`
	// Request is what is confirmed, and the next three are a review's.
	Request access.RequestID `json:"request,omitempty"`
	Verdict access.Verdict   `json:"verdict,omitempty"`
	Cap     time.Duration    `json:"cap,omitempty"`
	Comment string           `json:"comment,omitempty"`
	// Hash is of what was to be confirmed when it was begun.
	Hash []byte `json:"hash,omitempty"`
	// Label is the new passkey's, and Passkey the one to be removed.
	Label   string           `json:"label,omitempty"`
	Passkey access.PasskeyID `json:"passkey,omitempty"`
	// First says that no other passkey and no code has proven who it is, and SignedIn by which session it was begun, if by one.
	First    bool             `json:"first,omitempty"`
	SignedIn access.SessionID `json:"signed_in,omitempty"`
	// Word is the passkey that has agreed to a new one.
	Word access.PasskeyID `json:"word,omitempty"`

	Nonce []byte `json:"nonce,omitempty"`
	// Create says that the browser is asked for a new passkey, and no longer for one that is there.
	Create bool `json:"create,omitempty"`
	// Options are for the browser, and Session what its answer is held against.
	Options json.RawMessage      `json:"options,omitempty"`
	Session webauthn.SessionData `json:"session,omitzero"`
	// Wrong counts the recovery codes that were none.
	Wrong int `json:"wrong,omitempty"`
	// Refused says why it came to nothing; empty while it has not.
	Refused string `json:"refused,omitempty"`
}

func (s state) opinion() engine.Opinion {
	return engine.Opinion{Verdict: s.Verdict, Cap: s.Cap, Comment: s.Comment}
}

// ConfirmRequest begins to have a human confirm a request of theirs, or of an agent of theirs.
func (k *Keeper) ConfirmRequest(ctx context.Context, by access.Principal, id access.RequestID) (access.Ceremony, string, error) {
	what, err := k.config.Engine.ToConfirm(ctx, by, id)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	return k.begin(ctx, by, state{Purpose: confirmRequest, Request: id, Hash: what.Hash})
}

// ConfirmReview begins to have a reviewer confirm a review. It counts when it is confirmed, and not before.
func (k *Keeper) ConfirmReview(ctx context.Context, by access.Principal, id access.RequestID, o engine.Opinion) (access.Ceremony, string, error) {
	what, err := k.config.Engine.ToConfirmReview(ctx, by, id, o)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	return k.begin(ctx, by, state{Purpose: confirmReview, Request: id, Verdict: o.Verdict, Cap: o.Cap, Comment: o.Comment, Hash: what.Hash})
}

// maxLabel bounds a label, in bytes.
const maxLabel = 64

// errTooMany is the refusal of one passkey more.
var errTooMany = access.Errorf(access.KindExhausted, "You have %d passkeys already; remove one first.", store.MaxPasskeys)

// Add begins to register a passkey. The first one needs a sign-in of a short while ago, or an invitation; every further one the
// word of one that is there.
func (k *Keeper) Add(ctx context.Context, by access.Caller, label, invitation string) (access.Ceremony, string, error) {
	if err := k.named(); err != nil {
		return access.Ceremony{}, "", err
	}
	if !printable(label) || label == "" || len(label) > maxLabel {
		return access.Ceremony{}, "", access.Errorf(access.KindInvalid, "The name of a passkey is one line of 1 to %d bytes, as in --label \"blue key\".", maxLabel)
	}
	list, _, err := k.Passkeys(ctx, by.Principal)
	switch {
	case err != nil:
		return access.Ceremony{}, "", err
	case len(list) >= store.MaxPasskeys:
		return access.Ceremony{}, "", errTooMany
	case len(list) > 0:
		return k.begin(ctx, by.Principal, state{Purpose: addPasskey, Label: label})
	}
	return k.addFirst(ctx, by, label, invitation)
}

func printable(text string) bool {
	for _, c := range text {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

func (k *Keeper) addFirst(ctx context.Context, by access.Caller, label, invitation string) (access.Ceremony, string, error) {
	now, err := k.config.Store.Now(ctx)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	s := state{Purpose: addPasskey, Label: label, Create: true, First: true, SignedIn: by.Session.ID}
	switch {
	case invitation != "":
		return k.begin(ctx, by.Principal, s, k.acceptInvitation(by.Principal, invitation))
	case by.Session.Kind.IsSignIn() && now.Sub(by.Session.CreatedAt) < freshness:
		return k.begin(ctx, by.Principal, s)
	}
	left, err := k.codesLeft(ctx, by.Principal)
	switch {
	case err != nil:
		return access.Ceremony{}, "", err
	case left > 0:
		s.Create, s.First = false, false // a recovery code proves who they are
		return k.begin(ctx, by.Principal, s)
	}
	return access.Ceremony{}, "", access.Errorf(access.KindDenied,
		"A first passkey is registered within %d minutes of signing in, or with an invitation of an administrator: sign in anew (with a program: curfew login), and then do this again.", int(freshness.Minutes()))
}

func (k *Keeper) codesLeft(ctx context.Context, by access.Principal) (int, error) {
	_, left, err := k.Passkeys(ctx, by)
	return left, err
}

// Remove begins to remove a passkey of the caller's.
func (k *Keeper) Remove(ctx context.Context, by access.Principal, id access.PasskeyID) (access.Ceremony, string, error) {
	list, _, err := k.Passkeys(ctx, by)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	for _, p := range list {
		if p.ID == id {
			return k.begin(ctx, by, state{Purpose: removePasskey, Passkey: id, Label: p.Label})
		}
	}
	return access.Ceremony{}, "", access.Errorf(access.KindNotFound, "You have no passkey %.64q; `curfew passkeys` lists yours.", id)
}

// NewCodes begins to make recovery codes, in place of those before.
func (k *Keeper) NewCodes(ctx context.Context, by access.Principal) (access.Ceremony, string, error) {
	return k.begin(ctx, by, state{Purpose: newCodes})
}

// with is something that is done in the transaction which begins a ceremony.
type with func(tx store.Tx, enter func(access.Event) error) error

// named says whether there can be passkeys at all. Whoever could have none is told so before anything that would help if there were.
func (k *Keeper) named() error {
	if k.party == nil {
		return access.Errorf(access.KindMisconfigured, "Passkeys need server.url in the configuration: browsers have them for the name of a host.")
	}
	return nil
}

// begin keeps a ceremony, and returns the secret that leads to it.
func (k *Keeper) begin(ctx context.Context, by access.Principal, s state, also ...with) (access.Ceremony, string, error) {
	if err := k.named(); err != nil {
		return access.Ceremony{}, "", err
	}
	if by.Kind != access.Human {
		return access.Ceremony{}, "", access.Errorf(access.KindDenied, "Only humans have passkeys.")
	}
	u, err := k.user(ctx, by)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	if err := k.prepare(u, &s); err != nil {
		return access.Ceremony{}, "", err
	}
	return k.keep(ctx, by, s, ceremonyLifetime, also...)
}

// keep writes a new ceremony.
func (k *Keeper) keep(ctx context.Context, by access.Principal, s state, lifetime time.Duration, also ...with) (access.Ceremony, string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return access.Ceremony{}, "", err
	}
	link := store.NewSecret("")
	c := store.Ceremony{
		Ceremony: access.Ceremony{ID: access.CeremonyID(k.config.IDs.New(access.CeremonyPrefix))}, Tenant: k.config.Tenant,
		Link: store.HashSecret(link), Principal: by.ID, Person: by.Person, State: text,
	}
	err = k.config.Engine.Change(ctx, txBegun, func(tx store.Tx, enter func(access.Event) error) error {
		for _, do := range also {
			if err := do(tx, enter); err != nil {
				return err
			}
		}
		if _, err := tx.Ceremonies().DeleteEnded(k.config.Tenant, tx.Now().Add(-ceremonyLifetime), housekeeping); err != nil {
			return err
		}
		c.Until = tx.Now().Add(lifetime)
		return tx.Ceremonies().Insert(c)
	})
	if err != nil {
		return access.Ceremony{}, "", err
	}
	return c.Ceremony, link, nil
}

// user reads what the relying party must know of somebody.
func (k *Keeper) user(ctx context.Context, p access.Principal) (user, error) {
	list, _, err := k.Passkeys(ctx, p)
	return user{Principal: p, tenant: k.config.Tenant, passkeys: list}, err
}

// prepare makes the next challenge of a ceremony.
func (k *Keeper) prepare(u user, s *state) error {
	var options any
	switch {
	case s.Create:
		created, session, err := k.party.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()))
		if err != nil {
			return err
		}
		options, s.Session = created.Response, *session
	case len(u.passkeys) == 0 && s.Purpose == addPasskey: // with a recovery code alone
		return nil
	case len(u.passkeys) == 0:
		return access.Errorf(access.KindDenied, "You have no passkey yet: run curfew passkeys add, and then this again.")
	default:
		s.Nonce = make([]byte, sha256.Size)
		_, _ = rand.Read(s.Nonce) // never fails
		asked, session, err := k.party.BeginLogin(u, webauthn.WithChallenge(s.challenge(u)))
		if err != nil {
			return err
		}
		options, s.Session = asked.Response, *session
	}
	text, err := json.Marshal(options)
	s.Options = text
	return err
}

// challenge binds a proof to what it is for. What is confirmed has a challenge that can be told again from the books.
func (s state) challenge(u user) []byte {
	if s.confirms() {
		return s.confirmation(u).Challenge()
	}
	text, err := json.Marshal(struct {
		Purpose   purpose
		Tenant    access.TenantID
		Principal access.PrincipalID
		Label     string
		Passkey   access.PasskeyID
		Nonce     []byte
	}{s.Purpose, u.tenant, u.ID, s.Label, s.Passkey, s.Nonce})
	if err != nil {
		panic("passkey: plain values always marshal: " + err.Error())
	}
	sum := sha256.Sum256(append([]byte("curfew passkeys 1\n"), text...))
	return sum[:]
}

// confirms reports whether a request or a review is confirmed.
func (s state) confirms() bool { return s.Purpose == confirmRequest || s.Purpose == confirmReview }

// confirmation is what the ceremony is to lead to, without the answer.
func (s state) confirmation(u user) access.Confirmation {
	return access.Confirmation{Tenant: u.tenant, Request: s.Request, Principal: u.ID, Person: u.Person, Hash: s.Hash, Nonce: s.Nonce}
}

// handle is a principal's user handle.
func handle(tenant access.TenantID, id access.PrincipalID) []byte {
	sum := sha256.Sum256([]byte("curfew user 1\n" + string(tenant) + "\n" + id.String()))
	return sum[:]
}
