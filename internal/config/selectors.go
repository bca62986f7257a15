package config

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// checkSelectors refuses selectors of somebody who is not in the directory, and reports whether everybody is known: whom
// other sources tell of is not, and may be. A
// selector of the wrong form is left to package policy. While the directory itself has mistakes nothing is said: whoever
// is missing may merely be misspelt there.
func (a *assembly) checkSelectors(at []string, selectors []string) bool {
	if a.people.damaged {
		return false
	}
	known := true
	for i, written := range selectors {
		if s, err := policy.ParseSelector(written); err == nil && !a.people.any(s) {
			known = a.explainNobody(append(at, keyPath(i)...), s) && known
		}
	}
	return known
}

// explainNobody says why a selector means nobody, if it names somebody. A selector without a name, such as a kind, may
// well mean nobody yet.
func (a *assembly) explainNobody(at []string, s policy.Selector) bool {
	word, argument, _ := strings.Cut(string(s), ":")
	source, name := access.StaticIssuer, argument
	var known []string
	var what string
	switch word {
	case "group":
		source, name, _ = strings.Cut(argument, "/")
		known, what = a.people.groups, "no principal is in the group"
	case "principal":
		id, err := access.ParsePrincipalID(argument)
		if err != nil {
			return false
		}
		source, name = id.Issuer, id.Subject
		known, what = a.people.ids, "there is no principal"
	case "person":
		known, what = a.people.persons, "no principal is the person"
	default:
		return true
	}
	switch {
	case source == access.StaticIssuer:
		a.complain(at, "%s %s%s", what, quote(name), a.nearOr(name, known, "there are"))
	case !slices.Contains(a.sources, source):
		a.complain(at, "there is no source %s of people: %s cannot be known%s", quote(source), quote(string(s)), a.nearOr(source, a.sources, "there are"))
	}
	return false
}

// roles makes the canonical selectors of the roles.
func (a *assembly) roles() Roles {
	roles := Roles{
		access.RoleAdmin:   a.role(access.RoleAdmin, a.written.Roles.Admin),
		access.RoleAuditor: a.role(access.RoleAuditor, a.written.Roles.Auditor),
	}
	admins := roles[access.RoleAdmin]
	understood := len(admins) == len(a.written.Roles.Admin) && !slices.ContainsFunc(admins, func(s policy.Selector) bool { return !a.people.any(s) })
	if understood && !a.people.damaged && a.people.humans(admins, 1) == 0 {
		a.complain(keyPath("roles", string(access.RoleAdmin)),
			"roles.admin names no human: somebody must be able to revoke, as in admin: ['group:platform']")
	}
	return roles
}

func (a *assembly) role(role access.Role, written []string) []policy.Selector {
	at := keyPath("roles", string(role))
	selectors := make([]policy.Selector, 0, len(written))
	for i, w := range written {
		s, err := policy.ParseSelector(w)
		switch {
		case err != nil:
			a.complain(append(at, keyPath(i)...), "%v", err)
		case s == policy.Anyone || s == policy.OwnerOfResource || s == policy.ManagerOfRequester || strings.HasPrefix(string(s), "kind:"):
			a.complain(append(at, keyPath(i)...), "%s is too wide for a role: name groups, principals or persons", quote(w))
		default:
			selectors = append(selectors, s)
		}
	}
	a.checkSelectors(at, written)
	return selectors
}
