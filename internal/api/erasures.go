package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Erasure is the forgetting of a person.
type Erasure struct {
	ID        string         `json:"id,omitempty" doc:"Absent of one that is only planned"`
	Person    string         `json:"person,omitempty" doc:"Who is forgotten; absent when it is done"`
	Pseudonym string         `json:"pseudonym,omitempty" doc:"What stands for the person from then on" example:"erased-0123456789ab"`
	BegunAt   time.Time      `json:"begun_at,omitzero"`
	DoneAt    time.Time      `json:"done_at,omitzero"`
	Counts    map[string]int `json:"counts" doc:"How many of each kind of thing were changed, or would be"`
	Directory []string       `json:"in_directory,omitempty" doc:"Of one that is planned: accounts of the person that are in the directory, so that new entries will name them again"`
}

// ErasureBody says whom to forget.
type ErasureBody struct {
	Person     string   `json:"person" minLength:"1" maxLength:"512"`
	Principals []string `json:"principals,omitempty" maxItems:"100" doc:"Further accounts of theirs that neither the directory nor the books know to be theirs"`
	Reason     string   `json:"reason,omitempty" doc:"4096 bytes at most, and not the person's name; needed but for a plan"`
	Plan       bool     `json:"plan,omitempty" doc:"Change nothing, and say what would be changed"`
}

type eraseInput struct{ Body ErasureBody }

type erasureOutput struct{ Body Erasure }

func (s *surface) erase(ctx context.Context, in *eraseInput) (*erasureOutput, error) {
	order := engine.ForgetOrder{Person: access.PersonID(in.Body.Person)}
	for _, text := range in.Body.Principals {
		id, err := parsePrincipal("principals", text)
		if err != nil {
			return nil, err
		}
		order.Principals = append(order.Principals, id)
	}
	if in.Body.Plan {
		plan, err := s.Engine.PlanForget(ctx, actorOf(ctx), order)
		if err != nil {
			return nil, err
		}
		out := Erasure{Person: in.Body.Person, Counts: plan.Counts}
		for _, id := range plan.InDirectory {
			out.Directory = append(out.Directory, principalText(id))
		}
		return &erasureOutput{Body: out}, nil
	}
	v, err := s.Engine.Forget(ctx, actorOf(ctx), order, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &erasureOutput{Body: newErasure(v)}, nil
}

type getErasureInput struct {
	ID string `path:"id"`
}

func (s *surface) getErasure(ctx context.Context, in *getErasureInput) (*erasureOutput, error) {
	id, err := parseID[access.ErasureID]("erasure", access.ErasurePrefix, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := s.Engine.Erasure(ctx, actorOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &erasureOutput{Body: newErasure(v)}, nil
}

func newErasure(v access.Erasure) Erasure {
	counts := v.Counts
	if counts == nil {
		counts = map[string]int{}
	}
	return Erasure{
		ID: string(v.ID), Person: string(v.Person), Pseudonym: string(v.Pseudonym), BegunAt: utc(v.BegunAt), DoneAt: utc(v.DoneAt),
		Counts: counts,
	}
}
