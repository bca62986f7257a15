package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// plainName is the alphabet of identifiers and groups: nothing that looks like something else, and nothing
// that a selector gives a meaning to.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}$`)

const wantPlainName = "want 1 to 128 of A-Z a-z 0-9 . _ @ + -, not beginning with punctuation"

const (
	maxPrincipals     = 10_000
	maxName           = 256
	maxAttributeBytes = 1024
)

// principals makes the static directory. What a principal acts for or belongs to is looked up once all are known.
func (a *assembly) principals() []Principal {
	written := a.written.Directory.Static
	if len(written) > maxPrincipals {
		a.complain(keyPath("directory", "static"), "%d principals are more than %d", len(written), maxPrincipals)
		return nil
	}
	principals := make([]Principal, 0, len(written))
	seen := make(map[string]int, len(written))
	for i, w := range written {
		a.checkWords(i, w)
		if first, ok := seen[w.ID]; ok && w.ID != "" {
			node, _ := a.root.find(keyPath("directory", "static", first)...)
			a.complain(keyPath("directory", "static", i, "id"), "id %s is taken by another principal (%s line %d)",
				quote(w.ID), node.at.src.name, node.at.line)
		} else {
			seen[w.ID] = i
		}
		principals = append(principals, Principal{
			Principal: access.Principal{
				ID:         access.PrincipalID{Issuer: access.StaticIssuer, Subject: w.ID},
				Kind:       access.PrincipalKind(w.Kind),
				Name:       w.Name,
				Groups:     a.groups(i, w.Groups),
				Attributes: w.Attributes,
			},
			Token: w.Token,
		})
	}
	humans := newHumans(written)
	for i := range principals {
		a.relate(i, &principals[i], humans)
	}
	a.managers(principals)
	a.checkTokenReferences(principals)
	return principals
}

// checkWords checks what can be said of one entry alone.
func (a *assembly) checkWords(i int, w principalSchema) {
	switch {
	case w.ID == "":
		a.complain(keyPath("directory", "static", i, "id"), "a principal has no id: write one")
	case !plainName.MatchString(w.ID):
		a.complain(keyPath("directory", "static", i, "id"), "id %s: %s", quote(w.ID), wantPlainName)
	}
	if w.Person != "" && !plainName.MatchString(w.Person) {
		a.complain(keyPath("directory", "static", i, "person"), "person %s: %s", quote(w.Person), wantPlainName)
	}
	if len(w.Name) > maxName {
		a.complain(keyPath("directory", "static", i, "name"), "a name has at most %d bytes", maxName)
	}
	kinds := []string{string(access.Human), string(access.Service), string(access.Agent)}
	switch {
	case w.Kind == "":
		a.complain(keyPath("directory", "static", i, "kind"), "principal %s has no kind: want one of %s", quote(w.ID), strings.Join(kinds, ", "))
	case !slices.Contains(kinds, w.Kind):
		a.complain(keyPath("directory", "static", i, "kind"), "kind %s is not known%s", quote(w.Kind), a.nearOr(w.Kind, kinds, "want one of"))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Attributes)) {
		if len(key)+len(w.Attributes[key]) > maxAttributeBytes {
			a.complain(keyPath("directory", "static", i, "attributes", key), "an attribute has at most %d bytes", maxAttributeBytes)
		}
	}
}

// groups makes the canonical, sorted groups of an entry.
func (a *assembly) groups(i int, written []string) []string {
	groups := make([]string, 0, len(written))
	for j, w := range written {
		source, name, qualified := strings.Cut(w, "/")
		if !qualified {
			source, name = access.StaticIssuer, w
		}
		at := keyPath("directory", "static", i, "groups", j)
		switch {
		case source != access.StaticIssuer:
			a.complain(at, "group %s: the static directory has groups of its own source only; write the bare name", quote(w))
		case !plainName.MatchString(name):
			a.complain(at, "group %s: %s", quote(w), wantPlainName)
		}
		groups = append(groups, source+"/"+name)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// humans are those to whom services belong and for whom agents act.
type humans struct {
	// persons are by id; ids and names are in file order.
	persons    map[string]access.PersonID
	ids, names []string
	known      map[access.PersonID]bool
}

func newHumans(written []principalSchema) humans {
	h := humans{persons: map[string]access.PersonID{}, known: map[access.PersonID]bool{}}
	for _, w := range written {
		if w.Kind != string(access.Human) {
			continue
		}
		person := personOf(w)
		if !h.known[person] {
			h.names = append(h.names, string(person))
		}
		h.persons[w.ID], h.known[person] = person, true
		h.ids = append(h.ids, w.ID)
	}
	return h
}

// personOf is the person of a human as written: by default the one of the same name.
func personOf(w principalSchema) access.PersonID {
	if w.Person != "" {
		return access.PersonID(w.Person)
	}
	return access.PersonID(w.ID)
}

// relate finds the person of a principal: a human's own, a service's owner, the one for whom an agent acts.
func (a *assembly) relate(i int, p *Principal, h humans) {
	w := a.written.Directory.Static[i]
	if p.Kind != access.Agent && w.ActsFor != "" {
		a.complain(keyPath("directory", "static", i, "acts_for"), "only an agent acts for somebody; remove acts_for, or make the kind agent")
	}
	switch p.Kind {
	case access.Human:
		p.Person = personOf(w)
	case access.Service:
		p.Person = a.owner(i, w, h)
	case access.Agent:
		p.ActsFor, p.Person = a.represented(i, w, h)
	}
}

// owner is the person who answers for a service.
func (a *assembly) owner(i int, w principalSchema, h humans) access.PersonID {
	at := keyPath("directory", "static", i, "person")
	person := access.PersonID(w.Person)
	switch {
	case person == "":
		a.complain(at, "service %s has no person: write who answers for it", quote(w.ID))
	case !h.known[person]:
		a.complain(at, "service %s belongs to person %s, and no human is that person%s", quote(w.ID), quote(w.Person), a.nearOr(w.Person, h.names, "there are"))
	}
	return person
}

// represented is the human for whom an agent acts, and that human's person.
func (a *assembly) represented(i int, w principalSchema, h humans) (access.PrincipalID, access.PersonID) {
	at := keyPath("directory", "static", i, "acts_for")
	if w.Person != "" {
		a.complain(keyPath("directory", "static", i, "person"), "an agent has the person of the human for whom it acts; remove person")
	}
	person, known := h.persons[w.ActsFor]
	switch {
	case w.ActsFor == "":
		a.complain(at, "agent %s has no acts_for: write the human for whom it acts", quote(w.ID))
		return access.PrincipalID{}, ""
	case !known:
		a.complain(at, "agent %s acts for %s, and there is no such human%s", quote(w.ID), quote(w.ActsFor), a.nearOr(w.ActsFor, h.ids, "there are"))
		return access.PrincipalID{}, ""
	}
	return access.PrincipalID{Issuer: access.StaticIssuer, Subject: w.ActsFor}, person
}

// checkTokenReferences refuses two principals with the same reference; that two references lead to the same token is
// found when they are resolved.
func (a *assembly) checkTokenReferences(principals []Principal) {
	seen := map[secret.Ref]bool{}
	for i, p := range principals {
		if p.Token != "" && seen[p.Token] {
			a.complain(keyPath("directory", "static", i, "token"), "another principal has the token %s too; every principal has its own", quote(string(p.Token)))
		}
		seen[p.Token] = true
	}
}
