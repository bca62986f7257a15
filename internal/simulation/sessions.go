package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// provider signs in those of whom the source tells. It keeps no people of its own, and has a session for each who comes.
const provider = "sso"

// limits are short enough for sessions to end by themselves in a run.
func limits() directory.Limits {
	return directory.Limits{Idle: 20 * time.Second, Lifetime: time.Minute}
}

// held is what somebody got for signing in.
type held struct {
	token string
	// browser says that it is a browser's secret, and no program's token.
	browser bool
	session access.Session
}

// atProvider is a session at the provider.
type atProvider struct {
	name, subject string
	// over says that the provider's word of its end was taken.
	over bool
}

// verifier and challenge are those of all programs (RFC 7636).
const verifier = "a verifier of forty-three characters at least"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// signIn has somebody come from the provider, by a session of theirs there that goes on or by a new one, in a browser or to a program.
func (w *World) signIn(n *node) { w.signInAs(n, one(w.choose, told()).Subject, w.choose.chance(40)) }

func (w *World) signInAs(n *node, subject string, browser bool) {
	there := w.sessionThere(subject)
	in := directory.SignIn{
		Source: provider, Label: "laptop", Challenge: challenge(),
		Account: identity.Account{Subject: subject, Match: subject, Session: there.name},
	}
	w.call(n, subject, "signs in by "+there.name, func(ctx context.Context, e *engine.Engine) error {
		h := held{browser: browser}
		var err error
		if browser {
			h.token, h.session, err = w.registrar(e).BeginBrowser(ctx, in, "")
		} else {
			var code string
			if code, err = w.registrar(e).Begin(ctx, in); err != nil {
				return err
			}
			h.token, h.session, err = w.registrar(e).Redeem(ctx, code, verifier)
		}
		switch {
		case err == nil:
			w.held = append(w.held, h)
			w.reached["signed in"]++
		case there.over && access.KindOf(err) == access.KindUnauthenticated:
			w.reached["not signed in: over at the provider"]++
		}
		return err
	})
}

// sessionThere is a session of somebody's at the provider that is not over: the last one, or another.
func (w *World) sessionThere(subject string) *atProvider {
	if w.choose.chance(50) {
		for _, s := range w.there {
			if s.subject == subject && !s.over {
				return s
			}
		}
	}
	s := &atProvider{name: fmt.Sprintf("sid-%d", len(w.there)+1), subject: subject}
	w.there = append(w.there, s)
	return s
}

// signOut ends a session, all of somebody's, or one at the provider, which says so.
func (w *World) signOut(n *node) {
	h := one(w.choose, w.held)
	who := h.session.Principal
	by := w.people.who(who.Subject)
	switch w.choose.among(4, 2, 4) {
	case 0:
		w.call(n, who.Subject, fmt.Sprintf("ends %s", h.session.ID), func(ctx context.Context, e *engine.Engine) error {
			err := w.registrar(e).SignOut(ctx, by, h.session.ID)
			if err == nil {
				w.wantOver(h.session.ID)
			}
			return err
		})
	case 1:
		var theirs []access.SessionID
		for _, id := range sortedKeys(w.seen.sessions) {
			if w.seen.sessions[id].Principal == who {
				theirs = append(theirs, id)
			}
		}
		w.call(n, who.Subject, "signs out everywhere", func(ctx context.Context, e *engine.Engine) error {
			_, err := w.registrar(e).SignOutEverywhere(ctx, by)
			if err == nil {
				w.wantOver(theirs...)
			}
			return err
		})
	default:
		w.endThere(n, one(w.choose, w.there))
	}
}

// endThere has the provider say that a session of its own is over, whoever's it is or theirs.
func (w *World) endThere(n *node, s *atProvider) {
	told := identity.Ended{ID: w.ids.New("jti_"), Until: w.storeClock.Now().Add(time.Minute), Session: s.name}
	if w.choose.chance(50) {
		told.Subject = s.subject
	}
	w.call(n, provider, "says that "+s.name+" is over", func(ctx context.Context, e *engine.Engine) error {
		_, err := w.registrar(e).EndedAtProvider(ctx, provider, told)
		if err == nil {
			s.over = true
			w.changed = true
		}
		return err
	})
}

// present has somebody show what they got, and holds what they are told against the books.
func (w *World) present(n *node) {
	h := one(w.choose, w.held)
	w.call(n, h.session.Principal.Subject, fmt.Sprintf("shows the secret of %s", h.session.ID), func(ctx context.Context, e *engine.Engine) error {
		wrong := w.isOver(h)
		var caller access.Caller
		var err error
		if h.browser {
			caller, _, err = w.registrar(e).Browse(ctx, h.token)
		} else {
			caller, err = w.people.Authenticate(ctx, h.token)
		}
		if err != nil {
			return err
		}
		w.reached["a session goes on"]++
		switch {
		case caller.ID != h.session.Principal:
			w.breaks("a session lets in whose it is, while it goes on", "%s: %s is let in as %s", h.session.ID, h.session.Principal, caller.ID)
		case wrong != "" && w.isOver(h) != "": // neither when they came, nor by a clock that was set back since
			w.breaks("a session lets in whose it is, while it goes on", "%s: %s", h.session.ID, wrong)
		}
		return nil
	})
}

// isOver says why a session is over; empty while it goes on.
func (w *World) isOver(h held) (why string) {
	err := w.books.View(context.Background(), func(tx store.Tx) error {
		s, err := tx.Sessions().Get(access.DefaultTenant, h.session.ID)
		if err != nil {
			return err
		}
		p, err := tx.Profiles().Get(access.DefaultTenant, s.Principal)
		switch {
		case err != nil:
			return err
		case !tx.Now().Before(s.EndsAt):
			why = fmt.Sprintf("it ended at %s", s.EndsAt)
		case !p.GoneAt.IsZero():
			why = "who has it has left"
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return why
}

// wantOver wants sessions to be over of which somebody was told so.
func (w *World) wantOver(ids ...access.SessionID) {
	err := w.books.View(context.Background(), func(tx store.Tx) error {
		for _, id := range ids {
			if _, err := tx.Sessions().Get(access.DefaultTenant, id); access.KindOf(err) != access.KindNotFound {
				w.breaks("who signs out is signed out", "%s goes on, %v", id, err)
			}
		}
		return nil
	})
	if err != nil {
		w.breaks("the store answers", "%v", err)
	}
}

// readSessions reads those that have a token.
func (s *state) readSessions(tx store.Tx) error {
	sessions, _, err := tx.Sessions().List(access.DefaultTenant, store.SessionFilter{}, store.Page{Limit: maxRows})
	for _, v := range sessions {
		s.sessions[v.ID] = v
	}
	return err
}
