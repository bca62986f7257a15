package simulation

import (
	"context"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// people is the company as the nodes know it: that of the configuration, from which somebody may be missing, and those of whom
// the source has told.
type people struct {
	// Directory meets with no accident. nodes is the same with all the accidents of the store.
	*directory.Directory
	nodes   *directory.Directory
	missing map[access.PrincipalID]bool
	// persons are whose the accounts are of which the source tells, as the promises were last checked.
	persons map[access.PrincipalID]access.PersonID
}

func id(name string) access.PrincipalID {
	if name == frank || name == grace {
		return access.PrincipalID{Issuer: source, Subject: name}
	}
	return access.PrincipalID{Issuer: access.StaticIssuer, Subject: name}
}

// gather makes the directory on the books of this world.
func (w *World) gather() {
	on := func(s store.Store) *directory.Directory {
		c := w.setup.directory
		c.Store = s
		d, err := directory.New(c)
		if err != nil {
			w.breaks("the directory opens", "%v", err)
		}
		return d
	}
	w.people = &people{
		Directory: on(w.books), nodes: on(&books{Store: w.books, world: w}),
		missing: map[access.PrincipalID]bool{}, persons: map[access.PrincipalID]access.PersonID{},
	}
}

// asked is the directory that a task asks.
func (p *people) asked(ctx context.Context) *directory.Directory {
	if taskOf(ctx) == nil {
		return p.Directory
	}
	return p.nodes
}

// Principal implements engine.Directory.
func (p *people) Principal(ctx context.Context, id access.PrincipalID) (access.Principal, error) {
	if p.missing[id] {
		return access.Principal{}, access.Errorf(access.KindNotFound, "The principal %s is not in the directory.", id)
	}
	return p.asked(ctx).Principal(ctx, id)
}

// Members implements engine.Directory.
func (p *people) Members(ctx context.Context, selector policy.Selector) ([]access.Principal, error) {
	members, err := p.asked(ctx).Members(ctx, selector)
	return slices.DeleteFunc(members, func(m access.Principal) bool { return p.missing[m.ID] }), err
}

// who finds somebody as they authenticated, whether or not they are missing by now.
func (p *people) who(name string) access.Principal {
	principal, err := p.Directory.Principal(context.Background(), id(name))
	if person, known := p.persons[id(name)]; err != nil && known {
		return access.Principal{ID: id(name), Kind: access.Human, Person: person} // they have left, a moment ago
	}
	if err != nil {
		panic("simulation: " + err.Error())
	}
	return principal
}

// personOf is whose account it is. A pseudonym is a person of its own.
func (p *people) personOf(id access.PrincipalID) access.PersonID {
	if person, known := p.persons[id]; known {
		return person
	}
	principal, err := p.Directory.Principal(context.Background(), id)
	if err != nil {
		return access.PersonID(id.Subject)
	}
	return principal.Person
}

// requesters, reviewers and leavers are who does what in a run. Alice has a second account among the leads, and an agent.
func requesters() []string {
	return []string{enginetest.Alice, enginetest.AliceAgent, enginetest.Mallory, frank}
}

// Mallory and frank review in others' stead only.
func reviewers() []string {
	return []string{
		enginetest.Bob, enginetest.Dave, enginetest.AliceAdmin, enginetest.Erin, enginetest.AliceAgent, enginetest.Carol, grace,
		enginetest.Mallory, frank,
	}
}

func leavers() []string { return []string{enginetest.Alice, enginetest.Bob} }

func administrators() []string {
	return []string{enginetest.Carol, enginetest.Dave, enginetest.AliceAdmin}
}
