package config

import (
	"github.com/curfewhq/curfew/internal/access"
)

// managers finds the manager of each principal, once all persons are known. An agent has its human's: what it asks for is
// reviewed as if that human had asked.
func (a *assembly) managers(principals []Principal) {
	known := make(map[access.PrincipalID]*Principal, len(principals))
	for i := range principals {
		known[principals[i].ID] = &principals[i]
	}
	humans := newHumans(a.written.Directory.Static)
	for i := range principals {
		if principals[i].Kind != access.Agent {
			principals[i].Manager = a.manager(i, principals[i], known, humans)
		} else if a.written.Directory.Static[i].Manager != "" {
			a.complain(keyPath("directory", "static", i, "manager"), "an agent has the manager of the human for whom it acts; remove manager")
		}
	}
	for i := range principals {
		if human := known[principals[i].ActsFor]; human != nil {
			principals[i].Manager = human.Manager
		}
	}
}

// manager is the human to whom a principal reports: another person, or what should be reviewed by another would be by
// themselves.
func (a *assembly) manager(i int, p Principal, known map[access.PrincipalID]*Principal, h humans) access.PrincipalID {
	written := a.written.Directory.Static[i].Manager
	if written == "" {
		return access.PrincipalID{}
	}
	at := keyPath("directory", "static", i, "manager")
	id, err := access.ParsePrincipalID(written)
	if err != nil {
		a.complain(at, "manager %s: %v", quote(written), err)
		return access.PrincipalID{}
	}
	manager := known[id]
	switch {
	case id.Issuer != access.StaticIssuer:
		return id // who that is, and that they are a human, is known when they review
	case manager == nil || manager.Kind != access.Human:
		a.complain(at, "the manager of %s is %s, and there is no such human%s", quote(p.ID.Subject), quote(id.Subject), a.nearOr(id.Subject, h.ids, "there are"))
	case manager.Person != "" && manager.Person == p.Person:
		a.complain(at, "the manager of %s is %s, which is the same person: nobody is their own manager", quote(p.ID.Subject), quote(written))
	default:
		return id
	}
	return access.PrincipalID{}
}
