package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/curfewhq/curfew/internal/connector"
)

// assembly makes the Config of what was written and checks the sections against each other.
type assembly struct {
	*decoder
	root    *node
	written fileSchema
	types   []connector.Type
	people  people
	targets targets
	// sources are the names of the sources of identities besides the configuration itself.
	sources []string
}

func (a *assembly) assemble() *Config {
	cfg := &Config{Store: a.store(), Principals: a.principals()}
	cfg.Server = a.server(cfg.Store)
	cfg.OIDC, cfg.LDAP, cfg.SCIM, cfg.Sessions = a.oidc(), a.ldap(), a.scim(), a.sessions()
	cfg.Accounts = a.accounts(cfg.peopled())
	cfg.Workloads = a.workloads(cfg.Principals)
	a.people = newPeople(cfg.Principals, !a.intact("directory"))
	cfg.Roles = a.roles()
	cfg.Audit = a.audit(cfg.Store)
	cfg.Connectors = a.connectors()
	a.targets = a.newTargets(cfg.Connectors)
	cfg.Bundles = a.bundles()
	cfg.Policies, cfg.PolicySet = a.policies()
	for _, s := range a.secrets {
		cfg.references = append(cfg.references, s.ref)
	}
	return cfg
}

// peopled are the sources that tell of people by themselves, each with the attributes that it keeps.
func (c *Config) peopled() map[string]map[string]string {
	sources := map[string]map[string]string{}
	if c.LDAP != nil {
		sources[c.LDAP.Source] = c.LDAP.Directory.Attributes
	}
	if c.SCIM != nil {
		sources[c.SCIM.Source] = c.SCIM.Attributes
	}
	return sources
}

// Sources are those that tell of people, by their names: an identity provider that signs in another's has none of its own.
func (c *Config) Sources() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(c.peopled()))
	if c.OIDC != nil && c.Accounts == nil {
		names = append(names, c.OIDC.Source)
	}
	slices.Sort(names)
	return names
}

// complain notes a mistake at the end of a path, unless something there was reported before: a key that could not be
// read is not missing as well.
func (a *assembly) complain(path []string, format string, args ...any) {
	n, exact := a.root.find(path...)
	if n.bad || (!exact && n.incomplete) {
		return
	}
	at := n.at
	if n == a.root {
		at = at.src.whole()
	}
	a.c.add(at, format, args...)
}

// intact reports whether everything at the path could be read, or it is surely not there.
func (a *assembly) intact(path ...string) bool {
	n, exact := a.root.find(path...)
	if !exact {
		return !n.bad && !n.incomplete
	}
	return !n.damaged()
}

// keyPath makes a path of keys and indices.
func keyPath(parts ...any) []string {
	p := make([]string, 0, len(parts))
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			p = append(p, part)
		case int:
			p = append(p, strconv.Itoa(part))
		}
	}
	return p
}
