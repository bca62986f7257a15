package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Finding is something read at a target that the books do not explain.
type Finding struct {
	ID        string    `json:"id"`
	Connector string    `json:"connector"`
	Kind      string    `json:"kind" enum:"foreign,forged,orphan,after_end" doc:"Whose it is: another installation's; nobody's, with a mark that is not genuine; ours, of a grant that the books do not have; ours, of a grant that has ended"`
	State     string    `json:"state" enum:"open,removed,accepted"`
	Overdue   bool      `json:"overdue" doc:"It is access that should have ended"`
	Grant     string    `json:"grant,omitempty"`
	Account   string    `json:"account,omitempty" doc:"The account's ID at the target"`
	Right     string    `json:"right,omitempty" doc:"The native right"`
	Mark      string    `json:"mark,omitempty"`
	Note      string    `json:"note,omitempty" doc:"What else the target says of it"`
	FoundAt   time.Time `json:"found_at"`
	ClosedAt  time.Time `json:"closed_at,omitzero" doc:"When it was read back as gone, or accepted"`
	ClosedBy  string    `json:"closed_by,omitempty" doc:"Who accepted it"`
	Reason    string    `json:"reason,omitempty" doc:"Why it was accepted"`
}

// FindingList is a page of findings.
type FindingList struct {
	Items []Finding `json:"items" nullable:"false"`
	Next  string    `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

type listFindingsInput struct {
	All bool `query:"all" doc:"Show also what has been removed or accepted"`
	PageQuery
}

type listFindingsOutput struct{ Body FindingList }

func (s *surface) listFindings(ctx context.Context, in *listFindingsInput) (*listFindingsOutput, error) {
	findings, next, err := s.Engine.Findings(ctx, actorOf(ctx), in.All, in.page())
	if err != nil {
		return nil, err
	}
	list := FindingList{Items: make([]Finding, len(findings)), Next: next}
	for i, f := range findings {
		list.Items[i] = newFinding(f)
	}
	return &listFindingsOutput{Body: list}, nil
}

// AcceptBody says why a finding may stay.
type AcceptBody struct {
	Reason string `json:"reason" doc:"4096 bytes at most" example:"the auditor's own"`
}

type acceptFindingInput struct {
	ID   string `path:"id"`
	Body AcceptBody
}

type findingOutput struct{ Body Finding }

func (s *surface) acceptFinding(ctx context.Context, in *acceptFindingInput) (*findingOutput, error) {
	id, err := parseID[access.FindingID]("finding", access.FindingPrefix, in.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Engine.AcceptFinding(ctx, actorOf(ctx), id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &findingOutput{Body: newFinding(f)}, nil
}

func newFinding(f access.Finding) Finding {
	return Finding{
		ID: string(f.ID), Connector: string(f.Connector), Kind: string(f.Kind), State: string(f.State), Overdue: f.Overdue(),
		Grant: string(f.Grant), Account: f.Atom.Account, Right: f.Atom.Right, Mark: string(f.Mark), Note: f.Note,
		FoundAt: utc(f.FoundAt), ClosedAt: utc(f.ClosedAt), ClosedBy: principalText(f.ClosedBy), Reason: f.Reason,
	}
}
