package config

import (
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/secret"
)

// SCIM is an identity provider that writes who there is.
type SCIM struct {
	// Source is the issuer of its principals, and the source of its groups.
	Source string
	// Token is what it authenticates with.
	Token secret.Ref
	// Attributes are paths of a user, by the attributes that they become.
	Attributes map[string]string
}

const defaultSCIMSource = "scim"

// scim checks the identity provider; nil when there is none.
func (a *assembly) scim() *SCIM {
	w := a.written.Directory.SCIM
	if w == nil {
		return nil
	}
	at := keyPath("directory", "scim")
	s := &SCIM{Source: w.Name, Token: w.Token, Attributes: w.Attributes}
	if s.Source == "" {
		s.Source = defaultSCIMSource
	}
	a.sourceName(under(at, "name"), s.Source)
	if s.Token == "" {
		a.complain(under(at, "token"), "token is missing: what the identity provider authenticates with, as in token: env:SCIM_TOKEN")
	}
	a.checkMapping(under(at, "attributes"), s.Attributes)
	user := resource.NewUser()
	for _, key := range slices.Sorted(maps.Keys(s.Attributes)) {
		if _, err := user.ParsePath(s.Attributes[key]); s.Attributes[key] != "" && err != nil {
			a.complain(under(under(at, "attributes"), key), "%s: %v", quote(s.Attributes[key]), err)
		}
	}
	if a.written.Server.URL == "" {
		a.complain(at, "SCIM needs server.url: resources have their addresses, as in url: https://curfew.example.com")
	}
	return s
}
