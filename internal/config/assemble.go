package config

import (
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
}

func (a *assembly) assemble() *Config {
	cfg := &Config{Store: a.store(), Principals: a.principals()}
	cfg.Server = a.server(cfg.Store)
	a.people = newPeople(cfg.Principals, !a.intact("directory"))
	cfg.Roles = a.roles()
	cfg.Audit = a.audit(cfg.Store)
	cfg.Connectors = a.connectors()
	a.targets = a.newTargets(cfg.Connectors)
	cfg.Bundles = a.bundles()
	cfg.Policies, cfg.PolicySet = a.policies()
	return cfg
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
