package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Grant is one entitlement for one principal until a deadline.
type Grant struct {
	ID          string    `json:"id"`
	Request     string    `json:"request"`
	Principal   string    `json:"principal"`
	ActsFor     string    `json:"acts_for,omitempty" doc:"The human for whom the principal acts, which is an agent"`
	Entitlement string    `json:"entitlement"`
	Account     string    `json:"account,omitempty" doc:"Who the principal is at the target, where it has accounts of its own"`
	State       string    `json:"state" enum:"scheduled,activating,active,revoking,ended"`
	Duration    string    `json:"duration" doc:"How long it lives from activation"`
	CreatedAt   time.Time `json:"created_at"`
	StartAt     time.Time `json:"start_at" doc:"When it may begin"`
	ActivatedAt time.Time `json:"activated_at,omitzero" doc:"When the clock started"`
	Deadline    time.Time `json:"deadline,omitzero"`
	ExtendTo    time.Time `json:"extend_to,omitzero" doc:"The later deadline that was promised; it counts when the target has it"`
	EndReason   string    `json:"end_reason,omitempty" enum:"expired,returned,revoked,failed,ineligible,withdrawn,removed_at_target,attested"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	VerifiedAt  time.Time `json:"verified_at,omitzero" doc:"When the target was read and the access was not there, or is what kept_by explains"`
	VerifiedBy  string    `json:"verified_by,omitempty" doc:"Which reader read it"`
	KeptBy      string    `json:"kept_by,omitempty" doc:"What still explains rights that the ended grant shared: IDs of grants, and standing, with spaces between"`
	// ResidualUntil keeps a grant in revoking although everything that can be removed is.
	ResidualUntil time.Time `json:"residual_until,omitzero" doc:"When the last thing that was issued and cannot be unissued stops working; later, while the target is seen to take it still"`
	SessionsEnded int       `json:"sessions_ended,omitempty" doc:"Open sessions that were ended when it was taken back"`
	Housekeeping  string    `json:"housekeeping,omitempty" doc:"What is left to tidy at the target; none of it gives access"`
	LastError     string    `json:"last_error,omitempty" doc:"Why the last attempt to move it on failed"`
}

// GrantList is a page of grants.
type GrantList struct {
	Items []Grant `json:"items" nullable:"false"`
	Next  string  `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

type listGrantsInput struct {
	Scope string `query:"scope" enum:"mine,all" default:"mine" doc:"Mine, or everybody's (administrators and auditors)"`
	Ended bool   `query:"ended" doc:"Show also grants that have ended"`
	PageQuery
}

type listGrantsOutput struct{ Body GrantList }

func (s *surface) listGrants(ctx context.Context, in *listGrantsInput) (*listGrantsOutput, error) {
	grants, next, err := s.Engine.Grants(ctx, actorOf(ctx), scopeOf(in.Scope), in.Ended, in.page())
	if err != nil {
		return nil, err
	}
	list := GrantList{Items: make([]Grant, len(grants)), Next: next}
	for i, g := range grants {
		list.Items[i] = newGrant(g)
	}
	return &listGrantsOutput{Body: list}, nil
}

type grantPath struct {
	ID string `path:"id"`
}

type grantOutput struct{ Body Grant }

func (s *surface) getGrant(ctx context.Context, in *grantPath) (*grantOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	return shown(s.Engine.Grant(ctx, actorOf(ctx), id))
}

func (s *surface) returnGrant(ctx context.Context, in *grantPath) (*grantOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	return shown(s.Engine.Return(ctx, actorOf(ctx), id))
}

// ExtendBody says by how much a grant shall live longer.
type ExtendBody struct {
	Duration string `json:"duration" doc:"By how much the deadline moves, as in 30m" example:"30m"`
}

type extendGrantInput struct {
	ID   string `path:"id"`
	Body ExtendBody
}

func (s *surface) extendGrant(ctx context.Context, in *extendGrantInput) (*grantOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	by, err := parseDuration("duration", in.Body.Duration)
	if err != nil {
		return nil, err
	}
	return shown(s.Engine.Extend(ctx, actorOf(ctx), id, by))
}

// RevokeBody says why something is taken back, a freeze lifted, or a target held to be gone.
type RevokeBody struct {
	Reason string `json:"reason" doc:"4096 bytes at most" example:"laptop stolen"`
}

type revokeGrantInput struct {
	ID   string `path:"id"`
	Body RevokeBody
}

func (s *surface) revokeGrant(ctx context.Context, in *revokeGrantInput) (*grantOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	return shown(s.Engine.Revoke(ctx, actorOf(ctx), id, in.Body.Reason))
}

// Attested is a grant with how many have attested that its target no longer exists.
type Attested struct {
	Grant  Grant `json:"grant"`
	Given  int   `json:"given"`
	Needed int   `json:"needed" doc:"With so many the grant ends, attested and not verified"`
}

type attestGrantInput struct {
	ID   string `path:"id"`
	Body RevokeBody
}

type attestGrantOutput struct{ Body Attested }

func (s *surface) attestGrant(ctx context.Context, in *attestGrantInput) (*attestGrantOutput, error) {
	id, err := grantID(in.ID)
	if err != nil {
		return nil, err
	}
	g, given, err := s.Engine.Attest(ctx, actorOf(ctx), id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &attestGrantOutput{Body: Attested{Grant: newGrant(g), Given: given, Needed: access.AttestationsNeeded}}, nil
}

func shown(g access.Grant, err error) (*grantOutput, error) {
	if err != nil {
		return nil, err
	}
	return &grantOutput{Body: newGrant(g)}, nil
}

func newGrant(g access.Grant) Grant {
	return Grant{
		ID: string(g.ID), Request: string(g.Request), Principal: principalText(g.Principal), ActsFor: principalText(g.ActsFor),
		Entitlement: g.Entitlement.String(), Account: g.Account, State: string(g.State), Duration: g.Duration.String(), CreatedAt: utc(g.CreatedAt),
		StartAt: utc(g.StartAt), ActivatedAt: utc(g.ActivatedAt), Deadline: utc(g.Deadline), ExtendTo: utc(g.ExtendTo), EndReason: string(g.EndReason), EndedAt: utc(g.EndedAt),
		VerifiedAt: utc(g.VerifiedAt), VerifiedBy: g.VerifiedBy, KeptBy: g.KeptBy, ResidualUntil: utc(g.ResidualUntil),
		SessionsEnded: g.SessionsEnded, Housekeeping: g.Housekeeping, LastError: g.LastError,
	}
}
