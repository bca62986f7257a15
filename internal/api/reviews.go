package api

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// ReviewBody is what a reviewer says.
type ReviewBody struct {
	Verdict string `json:"verdict" enum:"approve,deny"`
	Cap     string `json:"cap,omitempty" doc:"Shortens the grant to this duration, as in 30m"`
	Comment string `json:"comment,omitempty" doc:"4096 bytes at most"`
}

func (b ReviewBody) opinion() (engine.Opinion, error) {
	limit, err := parseDuration("cap", b.Cap)
	return engine.Opinion{Verdict: access.Verdict(b.Verdict), Cap: limit, Comment: b.Comment}, err
}

type reviewRequestInput struct {
	ID   string `path:"id"`
	Body ReviewBody
}

func (s *surface) reviewRequest(ctx context.Context, in *reviewRequestInput) (*requestOutput, error) {
	id, err := requestID(in.ID)
	if err != nil {
		return nil, err
	}
	opinion, err := in.Body.opinion()
	if err != nil {
		return nil, err
	}
	r, err := s.Engine.Review(ctx, actorOf(ctx), id, opinion)
	if err != nil {
		return nil, err
	}
	return s.done(ctx, r, 0), nil
}

type requestPath struct {
	ID string `path:"id"`
}

func (s *surface) withdrawRequest(ctx context.Context, in *requestPath) (*requestOutput, error) {
	id, err := requestID(in.ID)
	if err != nil {
		return nil, err
	}
	r, err := s.Engine.Withdraw(ctx, actorOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return s.done(ctx, r, 0), nil
}
