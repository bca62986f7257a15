package main

import (
	"context"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// waitUsual and waitMost are how long a tool waits for access.
	waitUsual = durationFlag(time.Minute)
	waitMost  = durationFlag(10 * time.Minute)
	// maxListed bounds a list that a model has to read.
	maxListed = 200
)

type listIn struct {
	Words string `json:"words,omitempty" jsonschema:"words that must all occur in the name, as in: orders read"`
}

type listOut struct {
	Items   []offered `json:"items"`
	LeftOut int       `json:"left_out,omitempty" jsonschema:"how many more there are; use words to see others"`
}

type offered struct {
	Access      string   `json:"access" jsonschema:"what to ask for"`
	Decision    string   `json:"decision" jsonschema:"automatic, or needs a review by a human"`
	MaxDuration string   `json:"max_duration"`
	Reviewers   []string `json:"reviewers,omitempty" jsonschema:"who would have to agree"`
}

func (s *mcpServer) listAccess(ctx context.Context, in listIn) (out listOut, err error) {
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	list, err := decode[client.OfferList](c.ListEntitlements(ctx, &client.ListEntitlementsParams{Words: in.Words}))
	out.Items = []offered{}
	for i, o := range list.Items {
		if i == maxListed {
			out.LeftOut = len(list.Items) - maxListed
			break
		}
		out.Items = append(out.Items, offered{o.Entitlement, decisionText(o.Decision), shortText(o.MaxDuration), o.Reviewers})
	}
	return out, err
}

type explainIn struct {
	Access string `json:"access" jsonschema:"an entitlement as list_access names it, or bundle:NAME"`
	For    string `json:"for,omitempty" jsonschema:"how long, as in 30m"`
}

type explainOut struct {
	Who      string            `json:"who" jsonschema:"who would ask"`
	Decision string            `json:"decision"`
	Why      string            `json:"why"`
	Requires []string          `json:"requires" jsonschema:"what a request must have"`
	Stages   []explainedStage  `json:"stages" jsonschema:"which humans must agree"`
	Targets  []explainedTarget `json:"targets"`
}

type explainedStage struct {
	Count     int      `json:"count"`
	Of        []string `json:"of"`
	Approvers []string `json:"approvers" jsonschema:"who could agree"`
	More      int      `json:"more,omitempty"`
}

type explainedTarget struct {
	Access      string           `json:"access"`
	Decision    string           `json:"decision"`
	Duration    string           `json:"duration,omitempty"`
	MaxDuration string           `json:"max_duration,omitempty"`
	Why         string           `json:"why"`
	Policies    []explainedByOne `json:"policies"`
}

type explainedByOne struct {
	Policy string `json:"policy"`
	Result string `json:"result"`
	Detail string `json:"detail,omitempty"`
}

func (s *mcpServer) explainAccess(ctx context.Context, in explainIn) (out explainOut, err error) {
	d, err := span("for", in.For, 0, durationFlag(access.MaxDuration))
	if err != nil {
		return out, err
	}
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	body, err := requestOptions{duration: d, reason: unsaid, ticket: unsaid}.body([]string{in.Access})
	if err != nil {
		return out, err
	}
	v, err := decode[client.Decision](c.Explain(ctx, body))
	if err != nil {
		return out, err
	}
	return newExplainOut(v), nil
}

func newExplainOut(d client.Decision) explainOut {
	out := explainOut{
		Who: access.WhoActs(d.Principal, d.ActsFor), Decision: decisionText(client.OfferDecision(d.Decision)), Why: d.Why, Requires: d.Requires,
		Stages: []explainedStage{}, Targets: []explainedTarget{},
	}
	for _, st := range d.Stages {
		e := explainedStage{Count: int(st.Count), Of: st.From, Approvers: []string{}, More: int(st.More)}
		for _, a := range st.Approvers {
			e.Approvers = append(e.Approvers, a.Principal) // and not the name, which people give themselves
		}
		out.Stages = append(out.Stages, e)
	}
	for _, t := range d.Targets {
		e := explainedTarget{
			Access: t.Entitlement, Decision: decisionText(client.OfferDecision(t.Decision)), Duration: shortText(t.Duration),
			MaxDuration: shortText(t.MaxDuration), Why: t.Why, Policies: []explainedByOne{},
		}
		for _, c := range t.Policies {
			e.Policies = append(e.Policies, explainedByOne{c.Policy, resultText(c), c.Detail})
		}
		out.Targets = append(out.Targets, e)
	}
	return out
}

type requestIn struct {
	Access []string `json:"access" jsonschema:"entitlements as list_access names them, decided together; or one bundle:NAME"`
	Reason string   `json:"reason" jsonschema:"why, for the humans who decide and for the audit log"`
	For    string   `json:"for,omitempty" jsonschema:"how long, as in 30m; the shorter the better"`
	Ticket string   `json:"ticket,omitempty" jsonschema:"the ticket that it is for"`
	Wait   string   `json:"wait,omitempty" jsonschema:"how long to wait for access, as in 1m, which is usual; at most 10m"`
}

type requestOut struct {
	Request string     `json:"request"`
	Who     string     `json:"who" jsonschema:"who asked"`
	State   string     `json:"state"`
	Why     string     `json:"why,omitempty"`
	Waits   string     `json:"waits,omitempty" jsonschema:"what it still waits for"`
	Grants  []grantOut `json:"grants"`
	// Comments are what reviewers wrote.
	Comments []untrusted `json:"comments,omitempty"`
}

type grantOut struct {
	Grant     string     `json:"grant"`
	Access    string     `json:"access"`
	State     string     `json:"state"`
	Deadline  string     `json:"deadline,omitempty" jsonschema:"when it ends"`
	Account   string     `json:"account,omitempty" jsonschema:"the log-in that has the access, where no credential is needed"`
	EndReason string     `json:"end_reason,omitempty"`
	Error     *untrusted `json:"error,omitempty" jsonschema:"what went wrong last, in the words of the target"`
}

func newGrantOut(g client.Grant) grantOut {
	out := grantOut{
		Grant: g.ID, Access: g.Entitlement, State: string(g.State), Account: g.Account, EndReason: string(g.EndReason), Error: quoted(g.LastError),
	}
	if !g.Deadline.IsZero() {
		out.Deadline = g.Deadline.Format(time.RFC3339)
	}
	return out
}

func newRequestOut(r client.Request) requestOut {
	out := requestOut{Request: r.ID, Who: access.WhoActs(r.Principal, r.ActsFor), State: string(r.State), Why: r.Why, Grants: []grantOut{}}
	if !begun(r) {
		out.Waits = waitsFor(r)
	}
	for _, g := range r.Grants {
		out.Grants = append(out.Grants, newGrantOut(g))
	}
	for _, v := range r.Reviews {
		if c := quoted(v.Comment); c != nil {
			out.Comments = append(out.Comments, *c)
		}
	}
	return out
}

func (s *mcpServer) requestAccess(ctx context.Context, in requestIn) (out requestOut, err error) {
	wait, err := span("wait", in.Wait, waitUsual, waitMost)
	if err != nil {
		return out, err
	}
	d, err := span("for", in.For, 0, durationFlag(access.MaxDuration))
	if err != nil {
		return out, err
	}
	body, err := requestOptions{duration: d, reason: in.Reason, ticket: in.Ticket}.body(in.Access)
	if err != nil {
		return out, err
	}
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	keys, err := s.openKeyring()
	if err != nil {
		return out, err
	}
	defer keys.close()
	r, err := submit(ctx, c, keys, body)
	if err != nil {
		return out, err
	}
	r, err = s.await(ctx, c, r, time.Duration(wait))
	if err != nil && access.KindOf(err) != access.KindTimeout {
		return out, goesOn(r, err)
	}
	if err := forgetSettled(keys, r); err != nil {
		return out, err
	}
	return newRequestOut(r), outcome(r)
}

type grantsIn struct{}

type grantsOut struct {
	Grants  []grantOut   `json:"grants"`
	Pending []requestOut `json:"pending" jsonschema:"requests that wait for a human"`
	LeftOut int          `json:"left_out,omitempty"`
}

func (s *mcpServer) listGrantsMine(ctx context.Context, _ grantsIn) (out grantsOut, err error) {
	out.Grants, out.Pending = []grantOut{}, []requestOut{}
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	grants, _, err := listGrants(ctx, c, client.ListGrantsParamsScopeMine, false)
	if err != nil {
		return out, err
	}
	for _, g := range grants {
		if len(out.Grants) == maxListed {
			out.LeftOut++
			continue
		}
		out.Grants = append(out.Grants, newGrantOut(g))
	}
	requests, _, err := listRequests(ctx, c, client.ListRequestsParamsScopeMine)
	for _, r := range requests {
		switch {
		case r.State != client.RequestStatePending:
		case len(out.Pending) == maxListed:
			out.LeftOut++
		default:
			out.Pending = append(out.Pending, newRequestOut(r))
		}
	}
	return out, err
}

type returnIn struct {
	Grant string `json:"grant" jsonschema:"the grant, as list_grants names it, or its access where there is one of it"`
}

func (s *mcpServer) returnGrantMine(ctx context.Context, in returnIn) (out grantOut, err error) {
	c, err := s.connect()
	if err != nil {
		return out, err
	}
	g, err := findGrant(ctx, c, strings.TrimSpace(in.Grant))
	if err != nil {
		return out, err
	}
	if g, err = decode[client.Grant](c.ReturnGrant(ctx, g.ID)); err != nil {
		return out, err
	}
	if g, err = gone(ctx, c, g); err != nil {
		return out, err
	}
	return newGrantOut(g), s.forgetEnded([]client.Grant{g})
}
