package directory

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// The registrar's transactions.
const (
	txSignedIn  store.TxName = "signed-in"
	txRedeemed  store.TxName = "code-redeemed"
	txSignedOut store.TxName = "signed-out"
)

const (
	// codeLifetime is how long the code of a sign-in is good: somebody is asked whether they meant it, and it travels through a
	// browser to a program that waits for it.
	codeLifetime = 5 * time.Minute
	// maxSessions is how many sessions a principal may have. One more ends the oldest.
	maxSessions = 50
	// housekeeping is how many sessions that have ended one sign-in deletes.
	housekeeping = 100
	// maxLabel bounds a label, in bytes.
	maxLabel = 128
)

// SignIn is how a sign-in that has succeeded is to be taken up.
type SignIn struct {
	// Source is the provider that has signed them in, and Account what it says of them.
	Source  string
	Account identity.Account
	// Label is by which they will tell this session from others.
	Label string
	// Challenge is the code challenge of RFC 7636, with the method S256: only who has its verifier gets the token.
	Challenge string
}

// Begin keeps what the provider says, and a session that waits to be taken up with the code that Begin returns.
func (r *Registrar) Begin(ctx context.Context, in SignIn) (code string, err error) {
	if err := checkLabel(in.Label); err != nil {
		return "", err
	}
	code = store.NewSecret("cfc_")
	owner, err := r.ownerOf(ctx, in)
	if err != nil {
		return "", err
	}
	limits := r.directory().config.Limits
	err = r.books.Change(ctx, txSignedIn, func(tx store.Tx, enter func(access.Event) error) error {
		now := tx.Now()
		p, err := owner(tx, enter)
		if err != nil {
			return err
		}
		if _, err := tx.Sessions().DeleteEnded(r.tenant, now, now.Add(-limits.Idle), housekeeping); err != nil {
			return err
		}
		return tx.Sessions().Insert(store.Pending{
			Session: access.Session{
				ID: access.SessionID(r.ids.New(access.SessionPrefix)), Tenant: r.tenant, Kind: access.SessionSignIn, Principal: p.ID,
				Person: p.Person, Label: in.Label, ProviderSession: in.Account.Session, CreatedAt: now, UsedAt: now, EndsAt: now.Add(limits.Lifetime),
			},
			Code: store.HashSecret(code), Challenge: in.Challenge, Until: now.Add(codeLifetime),
		})
	})
	return code, err
}

// errCode is the refusal of a code, whatever is wrong with it.
var errCode = access.Errorf(access.KindUnauthenticated, "This sign-in is not known, was taken up already, or is too old; sign in again.")

// Redeem gives who has the code and its verifier the token of the session. A code is good once: a wrong verifier ends it too.
func (r *Registrar) Redeem(ctx context.Context, code, verifier string) (token string, s access.Session, err error) {
	token = store.NewSecret(TokenPrefix)
	var refused bool
	err = r.books.Change(ctx, txRedeemed, func(tx store.Tx, enter func(access.Event) error) (err error) {
		s, refused, err = r.redeem(tx, enter, code, verifier, token)
		return err
	})
	if err == nil && refused {
		err = errCode
	}
	if err != nil {
		return "", access.Session{}, err
	}
	return token, s, nil
}

// redeem begins the session that a code leads to, with this token. A code that comes too late, or without its proof, is used up; that is no
// error of the transaction, which deletes it.
func (r *Registrar) redeem(tx store.Tx, enter Enter, code, verifier, token string) (s access.Session, refused bool, err error) {
	p, err := tx.Sessions().ByCode(r.tenant, store.HashSecret(code))
	if access.KindOf(err) == access.KindNotFound {
		return s, false, errCode
	}
	if err != nil {
		return s, false, err
	}
	if !tx.Now().Before(p.Until) || !answers(p.Challenge, verifier) {
		return s, true, tx.Sessions().Delete(r.tenant, p.ID)
	}
	if err := r.makeRoom(tx, enter, p.Principal); err != nil {
		return s, false, err
	}
	if err := tx.Sessions().Issue(r.tenant, p.ID, store.HashSecret(token)); err != nil {
		return s, false, err
	}
	return p.Session, false, enter(sessionEvent(access.EventSessionBegun, p.Session, p.Principal))
}

// makeRoom ends the oldest session of a principal who has as many as may be.
func (r *Registrar) makeRoom(tx store.Tx, enter Enter, id access.PrincipalID) error {
	sessions, _, err := tx.Sessions().List(r.tenant, store.SessionFilter{Principal: id}, store.Page{Limit: maxSessions})
	if err != nil || len(sessions) < maxSessions {
		return err
	}
	oldest := sessions[len(sessions)-1]
	if err := tx.Sessions().Delete(r.tenant, oldest.ID); err != nil {
		return err
	}
	event := sessionEvent(access.EventSessionEnded, oldest, id)
	event.Detail["why"] = fmt.Sprintf("The principal has %d sessions, and this was the oldest.", len(sessions))
	return enter(event)
}

// SignOut ends a session of the caller's.
func (r *Registrar) SignOut(ctx context.Context, by access.Principal, id access.SessionID) error {
	return r.books.Change(ctx, txSignedOut, func(tx store.Tx, enter func(access.Event) error) error {
		s, err := mine(tx, r.tenant, by, id)
		if err != nil {
			return err
		}
		if err := tx.Sessions().Delete(r.tenant, id); err != nil {
			return err
		}
		return enter(sessionEvent(access.EventSessionEnded, s, by.ID))
	})
}

// SignOutEverywhere ends every session that the caller's person has, and says how many. What acts for a human ends its own alone.
func (r *Registrar) SignOutEverywhere(ctx context.Context, by access.Principal) (n int, err error) {
	err = r.books.Change(ctx, txSignedOut, func(tx store.Tx, enter func(access.Event) error) error {
		if n, err = r.deleteAll(tx, by); err != nil || n == 0 {
			return err
		}
		return enter(access.Event{
			Kind: access.EventSessionEnded, Actor: by.ID, Subject: by.ID, Person: by.Person,
			Detail: map[string]string{"sessions": count(n)},
		})
	})
	return n, err
}

func (r *Registrar) deleteAll(tx store.Tx, by access.Principal) (n int, err error) {
	if by.Kind == access.Human {
		return tx.Sessions().DeleteOf(r.tenant, by.Person)
	}
	own, _, err := tx.Sessions().List(r.tenant, store.SessionFilter{Principal: by.ID}, store.Page{Limit: maxWorkloads})
	for _, s := range own {
		err = errors.Join(err, tx.Sessions().Delete(r.tenant, s.ID))
	}
	return len(own), err
}

// Sessions lists where a principal is signed in and what tokens it has, newest first. A human sees those of services and agents
// of theirs too.
func (r *Registrar) Sessions(ctx context.Context, by access.Principal, page store.Page) (items []access.Session, next string, err error) {
	of := store.SessionFilter{Principal: by.ID}
	if by.Kind == access.Human {
		of = store.SessionFilter{Person: by.Person}
	}
	err = r.directory().config.Store.View(ctx, func(tx store.Tx) error {
		items, next, err = tx.Sessions().List(r.tenant, of, page)
		return err
	})
	return items, next, err
}

// mine finds a session of the caller's own.
func mine(tx store.Tx, tenant access.TenantID, by access.Principal, id access.SessionID) (access.Session, error) {
	s, err := tx.Sessions().Get(tenant, id)
	if err == nil && s.Principal != by.ID && (s.Person != by.Person || by.Kind != access.Human) || access.KindOf(err) == access.KindNotFound {
		return s, access.Errorf(access.KindNotFound, "You have no session %.64q; `curfew sessions` lists yours.", id)
	}
	return s, err
}

// sessionEvent says of a session that it began or ended. The label is somebody's words.
func sessionEvent(kind access.EventKind, s access.Session, by access.PrincipalID) access.Event {
	return access.Event{
		Kind: kind, Actor: by, Subject: s.Principal, Person: s.Person,
		Detail:   map[string]string{"session": string(s.ID), "session_kind": string(s.Kind), "scopes": scopeNames(s.Scopes), "until": s.EndsAt.UTC().Format(time.RFC3339)},
		Personal: map[string]string{"label": s.Label},
	}
}

// answers reports whether the verifier is the one of the challenge (RFC 7636, section 4.6).
func answers(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// checkLabel refuses what is no line of text to show.
func checkLabel(label string) error {
	for _, c := range label {
		if !unicode.IsPrint(c) {
			return access.Errorf(access.KindInvalid, "The name of a session is one line of text.")
		}
	}
	if label == "" || len(label) > maxLabel {
		return access.Errorf(access.KindInvalid, "The name of a session has 1 to %d bytes.", maxLabel)
	}
	return nil
}

func count(n int) string { return strconv.Itoa(n) }
