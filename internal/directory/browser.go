package directory

import (
	"context"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// The registrar's transactions for browsers.
const (
	txBrowserSignedIn store.TxName = "browser-signed-in"
	txRotated         store.TxName = "browser-secret-rotated"
)

// browserPrefix begins the secret of every browser's session. No token begins so, and the other way round: neither is taken for
// the other.
const browserPrefix = "cfb_"

const (
	// rotateAfter is how long one secret of a browser is used.
	rotateAfter = 15 * time.Minute
	// rotateGrace is how long the one before it is good besides: a browser has several requests under way at once.
	rotateGrace = 30 * time.Second
)

// A browser's secret is in two parts. The first stays, so that the session is found by whatever secret it ever had; the second
// changes. The store has the hash of the first part as the session's token, and of the whole in the session's Rotation.
func newBrowserSecret(token string) string { return store.NewSecret(token + ".") }

// browserToken is the part of a secret that stays.
func browserToken(secret string) (token string, ok bool) {
	token, _, ok = strings.Cut(secret, ".")
	return token, ok && strings.HasPrefix(token, browserPrefix)
}

// errBrowserEnded is the refusal of a browser whose session is not there any more, whyever.
var errBrowserEnded = access.Errorf(access.KindUnauthenticated, "Your session has ended: it was not used for a while, reached its limit, or was ended. Sign in again.")

// BeginBrowser keeps what the provider says, and begins a session of the browser that they signed in with. The session that the
// browser had before, by the secret that it had, ends: what one person leaves behind is not another's.
func (r *Registrar) BeginBrowser(ctx context.Context, in SignIn, had string) (secret string, s access.Session, err error) {
	if err := checkLabel(in.Label); err != nil {
		return "", s, err
	}
	owner, err := r.ownerOf(ctx, in)
	if err != nil {
		return "", s, err
	}
	token := store.NewSecret(browserPrefix)
	secret = newBrowserSecret(token)
	limits := r.directory().config.Limits
	err = r.books.Change(ctx, txBrowserSignedIn, func(tx store.Tx, enter func(access.Event) error) error {
		now := tx.Now()
		if err := r.endBefore(tx, enter, had); err != nil {
			return err
		}
		p, err := owner(tx, enter)
		if err != nil {
			return err
		}
		if _, err := tx.Sessions().DeleteEnded(r.tenant, now, now.Add(-limits.Idle), housekeeping); err != nil {
			return err
		}
		if err := r.makeRoom(tx, enter, p.ID); err != nil {
			return err
		}
		s = access.Session{
			ID: access.SessionID(r.ids.New(access.SessionPrefix)), Tenant: r.tenant, Kind: access.SessionBrowser, Principal: p.ID,
			Person: p.Person, Label: in.Label, ProviderSession: in.Account.Session, CreatedAt: now, UsedAt: now, EndsAt: now.Add(limits.Lifetime),
		}
		if err := tx.Sessions().Begin(s, store.HashSecret(token)); err != nil {
			return err
		}
		if err := tx.Sessions().Rotate(r.tenant, s.ID, store.Rotation{Secret: store.HashSecret(secret), At: now}); err != nil {
			return err
		}
		return enter(sessionEvent(access.EventSessionBegun, s, p.ID))
	})
	if err != nil {
		return "", access.Session{}, err
	}
	return secret, s, nil
}

// endBefore ends the session that a browser had. What it shows beside one that goes on changes nothing.
func (r *Registrar) endBefore(tx store.Tx, enter Enter, had string) error {
	token, ok := browserToken(had)
	if !ok {
		return nil
	}
	s, err := tx.Sessions().ByToken(r.tenant, store.HashSecret(token))
	if err == nil {
		err = tx.Sessions().Delete(r.tenant, s.ID)
	}
	if access.KindOf(err) == access.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return enter(sessionEvent(access.EventSessionEnded, s, s.Principal))
}

// Browse finds out who comes with the secret of a browser's session. Where next is not empty, the browser is to keep that from now
// on. Its error is access.KindUnauthenticated for a secret that nobody has, or whose session or owner is gone.
func (r *Registrar) Browse(ctx context.Context, secret string) (caller access.Caller, next string, err error) {
	token, ok := browserToken(secret)
	if !ok {
		return access.Caller{}, "", errBrowserEnded
	}
	d := r.directory()
	var now time.Time
	var kept store.Rotation
	err = d.config.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		if caller, err = d.whose(tx, token); err != nil {
			return err
		}
		kept, err = tx.Sessions().Rotation(r.tenant, caller.Session.ID)
		return err
	})
	if access.KindOf(err) == access.KindNotFound {
		return access.Caller{}, "", errBrowserEnded
	}
	if err != nil {
		return access.Caller{}, "", err
	}
	if judge(kept, store.HashSecret(secret), now) == asItIs {
		d.used(ctx, caller.Session, now)
		return caller, "", nil
	}
	if next, err = r.rotate(ctx, caller.Session, token, secret); err != nil {
		return access.Caller{}, "", err
	}
	return caller, next, nil
}

// turn is what follows when a browser shows a secret.
type turn int

const (
	// asItIs changes nothing.
	asItIs turn = iota
	// seen notes that the browser has the secret in force.
	seen
	// due replaces the secret in force.
	due
	// lost replaces a secret in force that the browser does not have: the answer that brought it was lost.
	lost
	// copied ends the session: two have its secret, and nobody knows which of them is its owner.
	copied
)

// judge is the rule. A secret that was replaced is good while the answer with its successor may be under way, and later as long as
// nobody has shown the successor. After that, or when it is older still, somebody else has gone on with the session: it was
// copied, and whether this is the thief or the owner cannot be told.
func judge(kept store.Rotation, shown store.SecretHash, now time.Time) turn {
	switch {
	case shown == kept.Secret && !now.Before(kept.At.Add(rotateAfter)):
		return due
	case shown == kept.Secret && !kept.Seen:
		return seen
	case shown == kept.Secret:
		return asItIs
	case shown != kept.Before:
		return copied
	case now.Before(kept.At.Add(rotateGrace)):
		return asItIs
	case !kept.Seen:
		return lost
	}
	return copied
}

// rotate does what follows, by what is kept by then: of requests that come at once, one replaces the secret.
func (r *Registrar) rotate(ctx context.Context, s access.Session, token, secret string) (next string, err error) {
	shown, fresh := store.HashSecret(secret), newBrowserSecret(token)
	var was turn
	err = r.books.Change(ctx, txRotated, func(tx store.Tx, enter func(access.Event) error) error {
		kept, err := tx.Sessions().Rotation(r.tenant, s.ID)
		if access.KindOf(err) == access.KindNotFound {
			return errBrowserEnded
		}
		if err != nil {
			return err
		}
		was = judge(kept, shown, tx.Now())
		switch was {
		case copied:
			return r.endCopied(tx, enter, s)
		case due:
			kept = store.Rotation{Secret: store.HashSecret(fresh), Before: kept.Secret, At: tx.Now()}
		case lost:
			kept = store.Rotation{Secret: store.HashSecret(fresh), Before: kept.Before, At: tx.Now()}
		case seen:
			kept.Seen = true
		case asItIs:
			return nil
		}
		if err := tx.Sessions().Rotate(r.tenant, s.ID, kept); err != nil {
			return err
		}
		return tx.Sessions().Use(r.tenant, s.ID, tx.Now())
	})
	switch {
	case err != nil:
		return "", err
	case was == copied:
		return "", errCopied
	case was == due || was == lost:
		return fresh, nil
	}
	return "", nil
}

// errCopied is the refusal of a secret that was replaced, and of which the successor is in use.
var errCopied = access.Errorf(access.KindUnauthenticated,
	"Your session has ended: its cookie was used in two places, as if somebody had copied it. Sign in again, and tell who administers Curfew if you do not know why.")

// endCopied ends a session of which two have the secret.
func (r *Registrar) endCopied(tx store.Tx, enter Enter, s access.Session) error {
	if err := tx.Sessions().Delete(r.tenant, s.ID); err != nil {
		return err
	}
	event := sessionEvent(access.EventSessionEnded, s, access.PrincipalID{})
	event.Detail["why"] = "A secret of the session that was replaced came again: its cookie was copied."
	return enter(event)
}
