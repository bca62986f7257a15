package api

import "context"

// Principal is who calls.
type Principal struct {
	Principal string   `json:"principal" doc:"The key: a bare name means the static source, others are ISSUER/SUBJECT"`
	Kind      string   `json:"kind" enum:"human,service,agent"`
	Person    string   `json:"person" doc:"The human behind it; reviews compare persons"`
	Name      string   `json:"name,omitempty"`
	Groups    []string `json:"groups" nullable:"false"`
	ActsFor   string   `json:"acts_for,omitempty" doc:"The principal for whom an agent acts"`
	Session   *Session `json:"session,omitempty" doc:"The session of this token; none when it is one of the configuration"`
}

type whoamiOutput struct{ Body Principal }

func (s *surface) whoami(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
	caller := callerOf(ctx)
	p := caller.Principal
	out := Principal{
		Principal: principalText(p.ID), Kind: string(p.Kind), Person: string(p.Person), Name: p.Name, Groups: []string{},
		ActsFor: principalText(p.ActsFor),
	}
	for _, g := range p.Groups {
		out.Groups = append(out.Groups, groupText(g))
	}
	if caller.Session.ID != "" {
		session := newSession(ctx, caller.Session)
		out.Session = &session
	}
	return &whoamiOutput{Body: out}, nil
}
