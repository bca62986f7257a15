package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Delegation says that one human reviews in the stead of another for some time.
type Delegation struct {
	ID        string    `json:"id"`
	Absent    string    `json:"absent" doc:"In whose stead"`
	Delegate  string    `json:"delegate" doc:"Who reviews, under any account of theirs"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	EndedAt   time.Time `json:"ended_at,omitzero" doc:"When it was ended early"`
	EndedBy   string    `json:"ended_by,omitempty" doc:"Who ended it early; nobody where one of the two has left the directory"`
}

// DelegationList is a page of delegations.
type DelegationList struct {
	Items []Delegation `json:"items" nullable:"false"`
	Next  string       `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

// DelegationBody says who reviews in the caller's stead.
type DelegationBody struct {
	To     string    `json:"to" doc:"A human other than the caller: ISSUER/SUBJECT, or the bare id of one whom the configuration lists" example:"bob"`
	From   time.Time `json:"from,omitzero" doc:"90 days ahead at most; without it now"`
	Until  time.Time `json:"until" doc:"90 days after the beginning at most"`
	Reason string    `json:"reason" doc:"4096 bytes at most" example:"on leave"`
}

type delegateInput struct{ Body DelegationBody }

type delegationOutput struct{ Body Delegation }

func (s *surface) delegate(ctx context.Context, in *delegateInput) (*delegationOutput, error) {
	to, err := parsePrincipal("to", in.Body.To)
	if err != nil {
		return nil, err
	}
	d, err := s.Engine.Delegate(ctx, actorOf(ctx), engine.DelegationOrder{To: to, From: in.Body.From, Until: in.Body.Until, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &delegationOutput{Body: newDelegation(d)}, nil
}

type listDelegationsInput struct {
	Scope string `query:"scope" enum:"made,received,all" default:"made" doc:"Those that I made, those to me, or everybody's (administrators and auditors), over or not"`
	PageQuery
}

type listDelegationsOutput struct{ Body DelegationList }

func (s *surface) listDelegations(ctx context.Context, in *listDelegationsInput) (*listDelegationsOutput, error) {
	scope := map[string]engine.DelegationScope{
		"made": engine.DelegationsMade, "received": engine.DelegationsReceived, "all": engine.DelegationsAll,
	}[in.Scope]
	delegations, next, err := s.Engine.Delegations(ctx, actorOf(ctx), scope, in.page())
	if err != nil {
		return nil, err
	}
	list := DelegationList{Items: make([]Delegation, len(delegations)), Next: next}
	for i, d := range delegations {
		list.Items[i] = newDelegation(d)
	}
	return &listDelegationsOutput{Body: list}, nil
}

type endDelegationInput struct {
	ID string `path:"id"`
}

func (s *surface) endDelegation(ctx context.Context, in *endDelegationInput) (*delegationOutput, error) {
	id, err := parseID[access.DelegationID]("delegation", access.DelegationPrefix, in.ID)
	if err != nil {
		return nil, err
	}
	d, err := s.Engine.EndDelegation(ctx, actorOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &delegationOutput{Body: newDelegation(d)}, nil
}

func newDelegation(d access.Delegation) Delegation {
	return Delegation{
		ID: string(d.ID), Absent: principalText(d.Absent), Delegate: principalText(d.Delegate), From: utc(d.From), Until: utc(d.Until),
		Reason: d.Reason, CreatedAt: utc(d.CreatedAt), EndedAt: utc(d.EndedAt), EndedBy: principalText(d.EndedBy),
	}
}
