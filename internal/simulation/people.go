package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
)

// people is the company of enginetest, from which somebody may be missing.
type people struct {
	*directory.Directory
	missing map[access.PrincipalID]bool
}

func id(name string) access.PrincipalID {
	return access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}
}

// Principal implements engine.Directory.
func (p *people) Principal(ctx context.Context, id access.PrincipalID) (access.Principal, error) {
	if p.missing[id] {
		return access.Principal{}, access.Errorf(access.KindNotFound, "The principal %s is not in the directory.", id)
	}
	return p.Directory.Principal(ctx, id)
}

// Members implements engine.Directory.
func (p *people) Members(ctx context.Context, selector policy.Selector) ([]access.Principal, error) {
	members, err := p.Directory.Members(ctx, selector)
	return slices.DeleteFunc(members, func(m access.Principal) bool { return p.missing[m.ID] }), err
}

// who finds somebody as they authenticated, whether or not they are missing by now.
func (p *people) who(name string) access.Principal {
	principal, err := p.Directory.Principal(context.Background(), id(name))
	if err != nil {
		panic("simulation: " + err.Error())
	}
	return principal
}

// personOf is whose account it is. A pseudonym is a person of its own.
func (p *people) personOf(id access.PrincipalID) access.PersonID {
	principal, err := p.Directory.Principal(context.Background(), id)
	if err != nil {
		return access.PersonID(id.Subject)
	}
	return principal.Person
}

// requesters, reviewers and leavers are who does what in a run. Alice has a second account among the leads, and an agent.
func requesters() []string {
	return []string{enginetest.Alice, enginetest.AliceAgent, enginetest.Mallory}
}

func reviewers() []string {
	return []string{enginetest.Bob, enginetest.Dave, enginetest.AliceAdmin, enginetest.Erin, enginetest.AliceAgent, enginetest.Carol}
}

func leavers() []string { return []string{enginetest.Alice, enginetest.Bob} }

func administrators() []string {
	return []string{enginetest.Carol, enginetest.Dave, enginetest.AliceAdmin}
}

// longest is for how long the policies give an entitlement.
func longest(e access.Entitlement) time.Duration {
	if e.String() == enginetest.Read {
		return 4 * time.Hour
	}
	return time.Hour
}

// approvals is how many persons must have agreed before an entitlement is anybody's.
func approvals(e access.Entitlement) int {
	switch e.String() {
	case enginetest.Write:
		return 1
	case enginetest.Drop:
		return 2
	default:
		return 0
	}
}
