package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const txTokenMade store.TxName = "token-made"

const (
	minToken = time.Minute
	// maxToken is the longest that a token lives. What has to live longer is a standing secret, and belongs to a platform that
	// can show a token of its own.
	maxToken = 90 * 24 * time.Hour
)

// TokenOrder says what token to make.
type TokenOrder struct {
	// Principal is whose it is to be: the caller's own, or that of a service or an agent which belongs to the caller.
	Principal access.PrincipalID
	// Scopes are what it is confined to. There is no token that may do everything.
	Scopes []access.Scope
	// For is how long it lives.
	For time.Duration
	// Label is by which people tell it from others.
	Label string
}

// MakeToken makes a token for a program. Nobody makes one of somebody else's, whatever their role: it would let them act as
// somebody who has more than they have. Nor does a token that was made make one that may do more, or lives longer, than itself.
func (r *Registrar) MakeToken(ctx context.Context, by access.Caller, o TokenOrder) (token string, s access.Session, err error) {
	if err := o.validate(); err != nil {
		return "", s, err
	}
	owner, err := r.directory().Principal(ctx, o.Principal)
	if access.KindOf(err) == access.KindNotFound || err == nil && (by.Kind != access.Human || owner.Person != by.Person || owner.Kind == access.Human && owner.ID != by.ID) {
		return "", s, access.Errorf(access.KindDenied, "You make tokens for yourself, and for the services and agents that belong to you.")
	}
	if err != nil {
		return "", s, err
	}
	for _, scope := range o.Scopes {
		if !by.Session.May(scope) {
			return "", s, access.Errorf(access.KindDenied, "A token makes none that may do more than itself: yours lacks the scope %q.", scope)
		}
	}
	token = store.NewSecret(TokenPrefix)
	err = r.books.Change(ctx, txTokenMade, func(tx store.Tx, enter func(access.Event) error) error {
		now := tx.Now()
		s = access.Session{
			ID: access.SessionID(r.ids.New(access.SessionPrefix)), Tenant: r.tenant, Kind: access.SessionToken, Principal: owner.ID,
			Person: owner.Person, Scopes: o.Scopes, IssuedBy: by.ID, Label: o.Label, CreatedAt: now, UsedAt: now, EndsAt: now.Add(o.For),
		}
		if err := r.mayMake(tx, by.Session, s.EndsAt); err != nil {
			return err
		}
		if _, err := tx.Sessions().DeleteEnded(r.tenant, now, now.Add(-r.directory().config.Limits.Idle), housekeeping); err != nil {
			return err
		}
		sessions, _, err := tx.Sessions().List(r.tenant, store.SessionFilter{Principal: owner.ID}, store.Page{Limit: maxSessions})
		if err != nil {
			return err
		}
		if len(sessions) >= maxSessions {
			return access.Errorf(access.KindExhausted, "%s has %d tokens and sessions already; end one first.", owner.ID, maxSessions)
		}
		if err := tx.Sessions().Begin(s, store.HashSecret(token)); err != nil {
			return err
		}
		return enter(sessionEvent(access.EventSessionBegun, s, by.ID))
	})
	if err != nil {
		return "", access.Session{}, err
	}
	return token, s, nil
}

// mayMake refuses a token until ends to who has no session any more, or a token that ends before.
func (r *Registrar) mayMake(tx store.Tx, by access.Session, ends time.Time) error {
	if err := r.refuseEnded(tx, by); err != nil {
		return err
	}
	if by.Kind == access.SessionToken && ends.After(by.EndsAt) {
		return access.Errorf(access.KindDenied, "A token makes none that outlives it: yours ends at %s. Sign in to make one.", by.EndsAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// refuseEnded is an error where a session has ended meanwhile: whatever has ended it, above all its owner's leaving, was to end all that
// they have. A token of the configuration is nobody's session.
func (r *Registrar) refuseEnded(tx store.Tx, s access.Session) error {
	if s.ID == "" {
		return nil
	}
	_, err := tx.Sessions().Get(r.tenant, s.ID)
	if access.KindOf(err) == access.KindNotFound {
		return errEnded
	}
	return err
}

func (o TokenOrder) validate() error {
	if err := checkLabel(o.Label); err != nil {
		return err
	}
	if o.For < minToken || o.For > maxToken {
		return access.Errorf(access.KindInvalid, "A token lives %s to %d days.", minToken, int(maxToken.Hours()/24))
	}
	known := access.Scopes()
	for i, scope := range o.Scopes {
		if !slices.Contains(known, scope) || slices.Contains(o.Scopes[:i], scope) {
			return access.Errorf(access.KindInvalid, "A token is confined to some of %s, each once.", scopeNames(known))
		}
	}
	if len(o.Scopes) == 0 {
		return access.Errorf(access.KindInvalid, "Say what the token is for: some of %s.", scopeNames(known))
	}
	return nil
}

func scopeNames(scopes []access.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
