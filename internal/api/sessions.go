package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/store"
)

// Sessions are where somebody is signed in, and the tokens that they had made. Implementations are safe for concurrent use.
type Sessions interface {
	Sessions(ctx context.Context, by access.Principal, page store.Page) (items []access.Session, next string, err error)
	SignOut(ctx context.Context, by access.Principal, id access.SessionID) error
	SignOutEverywhere(ctx context.Context, by access.Principal) (int, error)
	MakeToken(ctx context.Context, by access.Caller, o directory.TokenOrder) (token string, s access.Session, err error)
}

// Session is where somebody is signed in, or a token that they had made.
type Session struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" enum:"sign-in,browser,token,workload"`
	Principal string    `json:"principal"`
	Label     string    `json:"label" doc:"The program and the machine that it is for, in the words of whoever made it"`
	Scopes    []string  `json:"scopes" nullable:"false" doc:"What it is confined to; empty is everything that the principal may"`
	IssuedBy  string    `json:"issued_by,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at" doc:"When it was last used, to the minute or so"`
	EndsAt    time.Time `json:"ends_at"`
	Current   bool      `json:"current" doc:"Whether this call came with it"`
}

// SessionList is a page of sessions.
type SessionList struct {
	Items []Session `json:"items" nullable:"false"`
	Next  string    `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

type listSessionsInput struct{ PageQuery }

type listSessionsOutput struct{ Body SessionList }

func (s *surface) listSessions(ctx context.Context, in *listSessionsInput) (*listSessionsOutput, error) {
	sessions, next, err := s.Sessions.Sessions(ctx, actorOf(ctx), in.page())
	if err != nil {
		return nil, err
	}
	list := SessionList{Items: make([]Session, len(sessions)), Next: next}
	for i, one := range sessions {
		list.Items[i] = newSession(ctx, one)
	}
	return &listSessionsOutput{Body: list}, nil
}

type endSessionInput struct {
	ID string `path:"id" doc:"A session's ID, or current"`
}

// current names the session of the call itself.
const current = "current"

func (s *surface) endSession(ctx context.Context, in *endSessionInput) (*noContent, error) {
	caller := callerOf(ctx)
	id := caller.Session.ID
	if in.ID != current {
		var err error
		if id, err = parseID[access.SessionID]("session", access.SessionPrefix, in.ID); err != nil {
			return nil, err
		}
	}
	if id == "" {
		return nil, access.Errorf(access.KindConflict, "Your token is one of the configuration: it ends when it is taken out there.")
	}
	// Whoever has a token may end it, and needs more to end another.
	if id != caller.Session.ID {
		if err := refuseConfined(caller.Session, access.ScopeAdmin); err != nil {
			return nil, err
		}
	}
	if err := s.Sessions.SignOut(ctx, caller.Principal, id); err != nil {
		return nil, err
	}
	return &noContent{}, nil
}

// EndedSessions says how many sessions have ended.
type EndedSessions struct {
	Ended int `json:"ended"`
}

type endSessionsOutput struct{ Body EndedSessions }

func (s *surface) endSessions(ctx context.Context, _ *struct{}) (*endSessionsOutput, error) {
	n, err := s.Sessions.SignOutEverywhere(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	return &endSessionsOutput{Body: EndedSessions{Ended: n}}, nil
}

// TokenBody says what token to make.
type TokenBody struct {
	Principal string   `json:"principal,omitempty" doc:"Whose it is to be: mine (the default), or that of a service or an agent of mine"`
	Scopes    []string `json:"scopes" nullable:"false" minItems:"1" maxItems:"5" doc:"What it is confined to: read, request, credential, review, admin"`
	For       string   `json:"for" doc:"How long it lives: a minute to 90 days" example:"720h"`
	Label     string   `json:"label" doc:"By which people tell it from others, 128 bytes at most" example:"nightly export"`
}

// Token is a token that was made. It is shown this once.
type Token struct {
	Token   string  `json:"token"`
	Session Session `json:"session"`
}

type makeTokenInput struct{ Body TokenBody }

type makeTokenOutput struct{ Body Token }

func (s *surface) makeToken(ctx context.Context, in *makeTokenInput) (*makeTokenOutput, error) {
	by := callerOf(ctx)
	order := directory.TokenOrder{Principal: by.ID, Label: in.Body.Label}
	var err error
	if in.Body.Principal != "" {
		if order.Principal, err = access.ParsePrincipalID(in.Body.Principal); err != nil {
			return nil, access.Wrap(access.KindInvalid, err, "The principal is written ISSUER/SUBJECT, or as a bare name of the static source.")
		}
	}
	if order.For, err = parseDuration("for", in.Body.For); err != nil {
		return nil, err
	}
	for _, scope := range in.Body.Scopes {
		order.Scopes = append(order.Scopes, access.Scope(scope))
	}
	token, made, err := s.Sessions.MakeToken(ctx, by, order)
	if err != nil {
		return nil, err
	}
	return &makeTokenOutput{Body: Token{Token: token, Session: newSession(ctx, made)}}, nil
}

func newSession(ctx context.Context, s access.Session) Session {
	out := Session{
		ID: string(s.ID), Kind: string(s.Kind), Principal: principalText(s.Principal), Label: s.Label, Scopes: []string{},
		IssuedBy: principalText(s.IssuedBy), CreatedAt: utc(s.CreatedAt), UsedAt: utc(s.UsedAt), EndsAt: utc(s.EndsAt),
		Current: s.ID == callerOf(ctx).Session.ID,
	}
	for _, scope := range s.Scopes {
		out.Scopes = append(out.Scopes, string(scope))
	}
	return out
}
