package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/policy"
)

// Request is a request with everything that its requester and its reviewers look at.
type Request struct {
	ID           string            `json:"id"`
	State        string            `json:"state" enum:"pending,approved,denied,withdrawn,lapsed"`
	Principal    string            `json:"principal"`
	Name         string            `json:"name,omitempty" doc:"What the directory calls the principal now"`
	ActsFor      string            `json:"acts_for,omitempty" doc:"The human for whom the principal acts, which is an agent"`
	AskedBy      string            `json:"asked_by,omitempty" doc:"Who asked for it in the principal's name"`
	Bundle       string            `json:"bundle,omitempty"`
	Entitlements []string          `json:"entitlements" nullable:"false"`
	Duration     string            `json:"duration,omitempty" doc:"What was asked, or what the policies give where nothing was, as in 1h30m0s"`
	Start        time.Time         `json:"start,omitzero" doc:"When access shall begin"`
	Reason       string            `json:"reason"`
	Ticket       string            `json:"ticket,omitempty"`
	Params       map[string]string `json:"params,omitempty"`
	// Recipient lets a client find the private key that belongs to the request.
	Recipient []byte    `json:"recipient,omitempty" doc:"The HPKE public key that came with the request"`
	CreatedAt time.Time `json:"created_at"`
	LapsesAt  time.Time `json:"lapses_at" doc:"When it stops waiting for reviews"`
	SettledAt time.Time `json:"settled_at,omitzero"`
	Why       string    `json:"why" doc:"The decision in a sentence"`
	Implies   []Implied `json:"implies,omitempty" doc:"What the entitlements give beyond themselves, as read at their targets when the request was decided; those that are known to give nothing more, or whose target does not tell, are left out"`
	Stages    []Stage   `json:"stages" nullable:"false" doc:"The stages that wait for a review now"`
	Missing   []string  `json:"missing,omitempty" doc:"What else it waits for: mfa, the confirmation with a passkey of who asks"`
	Reviews   []Review  `json:"reviews" nullable:"false"`
	Grants    []Grant   `json:"grants" nullable:"false"`
}

// Implied is what an entitlement gives beyond itself.
type Implied struct {
	Entitlement string   `json:"entitlement"`
	Rights      []string `json:"rights" nullable:"false" doc:"Named as the target names them: the groups that the entitlement's groups are members of, say"`
	Incomplete  string   `json:"incomplete,omitempty" doc:"Why there may be more, in a sentence"`
}

// Stage is a group of people of whom count must agree.
type Stage struct {
	Policy string   `json:"policy"`
	From   []string `json:"from" nullable:"false"`
	Count  int      `json:"count"`
	MFA    bool     `json:"mfa,omitempty" doc:"A review must be confirmed with a passkey"`
	// Fallback is nil when there is none, and when it has begun: those people stand in From then.
	Fallback *Fallback `json:"fallback,omitempty" doc:"Who may review besides, if nobody else has answered by then"`
}

// Fallback is who may review a stage besides, from a moment on that is still to come.
type Fallback struct {
	From []string  `json:"from" nullable:"false"`
	At   time.Time `json:"at"`
}

// Review is one person's verdict.
type Review struct {
	Reviewer  string    `json:"reviewer"`
	InSteadOf string    `json:"in_stead_of,omitempty" doc:"Who is absent, and had the reviewer review in their stead"`
	Verdict   string    `json:"verdict" enum:"approve,deny"`
	Cap       string    `json:"cap,omitempty" doc:"Shortens the grant to this duration"`
	Comment   string    `json:"comment,omitempty"`
	At        time.Time `json:"at"`
}

// RequestList is a page of requests.
type RequestList struct {
	Items []Request `json:"items" nullable:"false"`
	Next  string    `json:"next" doc:"What to send as after for the next page; empty on the last"`
}

type requestOutput struct{ Body Request }

type getRequestInput struct {
	ID string `path:"id"`
	WaitQuery
}

func (s *surface) getRequest(ctx context.Context, in *getRequestInput) (*requestOutput, error) {
	id, err := requestID(in.ID)
	if err != nil {
		return nil, err
	}
	wait, err := in.wait()
	if err != nil {
		return nil, err
	}
	v, err := s.waitRequest(ctx, id, wait)
	if err != nil {
		return nil, err
	}
	return &requestOutput{Body: newRequest(v)}, nil
}

// WaitQuery holds a call open until the request is settled and its grants have begun, or will not.
type WaitQuery struct {
	Wait string `query:"wait" doc:"Answer when the request is settled and its grants have begun, or after this duration, 1m0s at most"`
}

func (q WaitQuery) wait() (time.Duration, error) {
	d, err := parseDuration("wait", q.Wait)
	return min(d, MaxWait), err
}

// waitRequest reads the request, after waiting for its outcome for at most the duration given.
func (s *surface) waitRequest(ctx context.Context, id access.RequestID, wait time.Duration) (engine.RequestView, error) {
	if wait == 0 {
		return s.Engine.Request(ctx, actorOf(ctx), id)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return s.Engine.WaitRequest(waiting, actorOf(ctx), id)
}

type listRequestsInput struct {
	Scope string `query:"scope" enum:"mine,for-others,to-review,all" default:"mine" doc:"Mine, those that I asked for in another's name, those that I can review now, or everybody's (administrators and auditors)"`
	PageQuery
}

type listRequestsOutput struct{ Body RequestList }

func (s *surface) listRequests(ctx context.Context, in *listRequestsInput) (*listRequestsOutput, error) {
	views, next, err := s.Engine.Requests(ctx, actorOf(ctx), scopeOf(in.Scope), in.page())
	if err != nil {
		return nil, err
	}
	list := RequestList{Items: make([]Request, len(views)), Next: next}
	for i, v := range views {
		list.Items[i] = newRequest(v)
	}
	return &listRequestsOutput{Body: list}, nil
}

func scopeOf(text string) engine.Scope {
	switch text {
	case "for-others":
		return engine.ForOthers
	case "to-review":
		return engine.ToReview
	case "all":
		return engine.All
	default:
		return engine.Mine
	}
}

// done shows a request to the one who just made or changed it, after waiting for its outcome. What was done stands, so
// that neither an error while waiting nor a loss of the right to see the request hides what came of it.
func (s *surface) done(ctx context.Context, r access.Request, wait time.Duration) *requestOutput {
	v, err := s.waitRequest(ctx, r.ID, wait)
	if err != nil {
		v = engine.RequestView{Request: r}
	}
	return &requestOutput{Body: newRequest(v)}
}

func newRequest(v engine.RequestView) Request {
	r := v.Request
	out := Request{
		ID: string(r.ID), State: string(r.State), Principal: principalText(r.Principal), Name: v.Name, ActsFor: principalText(r.ActsFor), AskedBy: principalText(r.AskedBy), Bundle: r.Bundle,
		Entitlements: entitlementTexts(r.Entitlements), Duration: durationText(v.Duration()), Start: utc(r.Start), Reason: r.Reason, Ticket: r.Ticket,
		Params: r.Params, Recipient: r.Recipient, CreatedAt: utc(r.CreatedAt), LapsesAt: utc(r.LapsesAt),
		SettledAt: utc(r.SettledAt), Why: v.Decision.Why, Implies: newImplied(v.Decision.Targets), Stages: newStages(v.Open), Missing: v.Missing,
		Reviews: make([]Review, len(v.Reviews)), Grants: make([]Grant, len(v.Grants)),
	}
	for i, rv := range v.Reviews {
		out.Reviews[i] = Review{
			Reviewer: principalText(rv.Reviewer), InSteadOf: principalText(rv.InSteadOf), Verdict: string(rv.Verdict), Cap: durationText(rv.Cap), Comment: rv.Comment,
			At: utc(rv.At),
		}
	}
	for i, g := range v.Grants {
		out.Grants[i] = newGrant(g)
	}
	return out
}

func newImplied(targets []policy.TargetDecision) (out []Implied) {
	for _, t := range targets {
		if !t.Implies.IsZero() {
			out = append(out, Implied{Entitlement: t.Entitlement.String(), Rights: append([]string{}, t.Implies.Rights...), Incomplete: t.Implies.Incomplete})
		}
	}
	return out
}

func newStages(open []policy.OpenStage) []Stage {
	out := make([]Stage, len(open))
	for i, st := range open {
		out[i] = Stage{Policy: st.Policy, From: selectorTexts(st.From), Count: st.Count, MFA: st.MFA}
		if st.Fallback != nil && !st.FallbackAt.IsZero() {
			out[i].Fallback = &Fallback{From: selectorTexts(st.Fallback.From), At: utc(st.FallbackAt)}
		}
	}
	return out
}

func entitlementTexts(ents []access.Entitlement) []string {
	out := make([]string, len(ents))
	for i, e := range ents {
		out[i] = e.String()
	}
	return out
}
