package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Freeze forbids access until it is lifted.
type Freeze struct {
	ID     string    `json:"id"`
	Scope  string    `json:"scope" enum:"person,connector,everything"`
	Value  string    `json:"value,omitempty" doc:"The person or the connector that is frozen"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	// SweptAt tells whoever froze that nothing is left to begin taking back.
	SweptAt time.Time `json:"swept_at,omitzero" doc:"When the last grant that it covers began to be taken back"`
	Revoked int       `json:"revoked" doc:"Grants that it took back"`
}

// FreezeList is a page of freezes.
type FreezeList struct {
	Items []Freeze `json:"items" nullable:"false"`
	Next  string   `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

// RevocationBody says what to take back and to freeze: one of a principal, a connector and everything.
type RevocationBody struct {
	Principal  string `json:"principal,omitempty" doc:"Freezes the person behind it: every account of theirs, and the services and agents that they own"`
	Connector  string `json:"connector,omitempty"`
	Everything bool   `json:"everything,omitempty"`
	Reason     string `json:"reason" doc:"4096 bytes at most" example:"laptop stolen"`
}

type freezeInput struct{ Body RevocationBody }

type freezeOutput struct{ Body Freeze }

func (s *surface) freeze(ctx context.Context, in *freezeInput) (*freezeOutput, error) {
	order := engine.FreezeOrder{Connector: access.ConnectorName(in.Body.Connector), Everything: in.Body.Everything}
	if in.Body.Principal != "" {
		id, err := parsePrincipal("principal", in.Body.Principal)
		if err != nil {
			return nil, err
		}
		order.Principal = id
	}
	f, err := s.Engine.Freeze(ctx, actorOf(ctx), order, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &freezeOutput{Body: newFreeze(f)}, nil
}

type listFreezesInput struct{ PageQuery }

type listFreezesOutput struct{ Body FreezeList }

func (s *surface) listFreezes(ctx context.Context, in *listFreezesInput) (*listFreezesOutput, error) {
	freezes, next, err := s.Engine.Freezes(ctx, actorOf(ctx), in.page())
	if err != nil {
		return nil, err
	}
	list := FreezeList{Items: make([]Freeze, len(freezes)), Next: next}
	for i, f := range freezes {
		list.Items[i] = newFreeze(f)
	}
	return &listFreezesOutput{Body: list}, nil
}

type liftFreezeInput struct {
	ID   string `path:"id"`
	Body RevokeBody
}

type noContent struct{}

func (s *surface) liftFreeze(ctx context.Context, in *liftFreezeInput) (*noContent, error) {
	id, err := parseID[access.FreezeID]("freeze", access.FreezePrefix, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.Engine.Unfreeze(ctx, actorOf(ctx), id, in.Body.Reason); err != nil {
		return nil, err
	}
	return &noContent{}, nil
}

func newFreeze(f access.Freeze) Freeze {
	return Freeze{
		ID: string(f.ID), Scope: string(f.Scope), Value: f.Value, Reason: f.Reason, By: principalText(f.By), Since: utc(f.Since),
		SweptAt: utc(f.SweptAt), Revoked: f.Revoked,
	}
}
