package directory

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// TokenPrefix begins every token that Curfew makes, so that programs which look for leaked secrets can tell one.
const TokenPrefix = "cft_"

// Limits say when a session of somebody who has signed in ends.
type Limits struct {
	// Idle is after which time without use, and Lifetime after which in any case.
	Idle, Lifetime time.Duration
}

// usedStep is how far UsedAt may lag behind, so that not every call writes.
const usedStep = time.Minute

// txUsed is the one transaction of a Directory; nothing hangs on it but when an idle session ends.
const txUsed store.TxName = "session-used"

// Authenticate finds out whose a bearer token is: one of the configuration, or of a session. Its error is
// access.KindUnauthenticated for a token that nobody has, or whose session or owner is gone, or another person's by now: who has
// left, or signs out everywhere, ends what has their name.
func (d *Directory) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	h, ok := d.tokens[sha256.Sum256([]byte(token))]
	switch {
	case ok && h.void:
		return access.Caller{}, access.Errorf(access.KindUnauthenticated, "This token is void since the store was restored from a backup; ask who administers Curfew to give %s a new one.", h.id.Subject)
	case ok:
		return access.Caller{Principal: d.principals[h.id]}, nil
	case d.config.Store == nil || !strings.HasPrefix(token, TokenPrefix):
		return access.Caller{}, access.Errorf(access.KindUnauthenticated, "The token is not known here; check CURFEW_TOKEN.")
	}
	return d.bySession(ctx, token)
}

// errEnded is the refusal of a session that is over.
var errEnded = access.Errorf(access.KindUnauthenticated, "Your session has ended; run `curfew login` again.")

func (d *Directory) bySession(ctx context.Context, token string) (caller access.Caller, err error) {
	var now time.Time
	err = d.config.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		caller, err = d.whose(tx, token)
		return err
	})
	if access.KindOf(err) == access.KindNotFound {
		return access.Caller{}, errEnded
	}
	if err != nil {
		return access.Caller{}, err
	}
	d.used(ctx, caller.Session, now)
	return caller, nil
}

// whose finds whose session goes on under a token; access.KindNotFound where there is none, it is over, or its owner is another
// person's by now.
func (d *Directory) whose(tx store.Tx, token string) (caller access.Caller, err error) {
	if caller.Session, err = tx.Sessions().ByToken(d.config.Tenant, store.HashSecret(token)); err != nil {
		return access.Caller{}, err
	}
	p, listed := d.principals[caller.Session.Principal]
	if caller.Principal = p; !listed {
		if caller.Principal, err = d.profiled(tx, caller.Session.Principal); err != nil {
			return access.Caller{}, err
		}
	}
	if d.over(caller.Session, tx.Now()) || caller.Person != caller.Session.Person {
		return access.Caller{}, access.Errorf(access.KindNotFound, "The session is over.")
	}
	return caller, nil
}

// used notes that a session was used. Where that cannot be noted nobody is kept out: the session ends a little early at worst.
func (d *Directory) used(ctx context.Context, s access.Session, now time.Time) {
	if now.Sub(s.UsedAt) > usedStep {
		_ = d.config.Store.Update(ctx, txUsed, func(tx store.Tx) error { return tx.Sessions().Use(d.config.Tenant, s.ID, now) })
	}
}

// over reports whether a session has ended by itself, or by what the configuration says now.
func (d *Directory) over(s access.Session, now time.Time) bool {
	return !now.Before(s.EndsAt) || s.Kind == access.SessionWorkload && !d.trusted(s) || s.Kind.IsSignIn() && !now.Before(s.UsedAt.Add(d.config.Limits.Idle))
}
