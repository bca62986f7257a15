package config

import (
	"path"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// targets are the connectors and bundles as patterns and entitlements see them. Resources are found at the target, so
// nothing is said about them here.
type targets struct {
	connectors []string
	// permissions are by connector; a connector whose type cannot tell, or that could not be read, has no entry.
	permissions map[string][]string
	bundles     []string
}

// newTargets takes in what the sections name, whether or not its details could be read.
func (a *assembly) newTargets(connectors []Connector) targets {
	t := targets{permissions: map[string][]string{}}
	for _, c := range connectors {
		name := string(c.Name)
		t.connectors = append(t.connectors, name)
		if lister, ok := c.Config.(PermissionLister); ok && a.intact(keyPath("connectors", name)...) {
			t.permissions[name] = slices.Sorted(slices.Values(lister.PermissionNames()))
		}
	}
	if section, ok := a.root.find("bundles"); ok {
		for _, e := range section.entries {
			t.bundles = append(t.bundles, e.key.text)
		}
	}
	return t
}

// checkTarget refuses a connector and permission that nothing configured fits. Both may have wildcards.
func (a *assembly) checkTarget(at []string, connector, permission string) {
	fitting := filter(a.targets.connectors, connector)
	if section := a.written.Connectors; section != nil && section.bad {
		return // nothing is known of them
	}
	if len(fitting) == 0 {
		a.complain(at, "there is no connector %s%s", quote(connector), a.nearOr(connector, a.targets.connectors, "there are"))
		return
	}
	var offered []string
	for _, name := range fitting {
		known, ok := a.targets.permissions[name]
		if !ok {
			return
		}
		offered = append(offered, known...)
	}
	if len(filter(offered, permission)) == 0 {
		slices.Sort(offered)
		a.complain(at, "connector %s has no permission %s%s", quote(connector), quote(permission),
			a.nearOr(permission, slices.Compact(offered), "it has"))
	}
}

// checkPattern refuses a pattern that nothing configured fits. One of the wrong form is left to package policy.
func (a *assembly) checkPattern(at []string, pattern string) {
	if name, ok := strings.CutPrefix(pattern, "bundle:"); ok {
		if !slices.Contains(a.targets.bundles, name) {
			a.complain(at, "there is no bundle %s%s", quote(name), a.nearOr(name, a.targets.bundles, "there are"))
		}
		return
	}
	connector, rest, ok := strings.Cut(pattern, "/")
	colon := strings.LastIndexByte(rest, ':')
	if ok && colon >= 0 && len(connector) <= access.MaxConnectorName && len(rest)-colon-1 <= access.MaxPermissionName {
		a.checkTarget(at, connector, rest[colon+1:])
	}
}

// filter keeps the names that a pattern fits. Neither has a slash, so "*" is anything.
func filter(names []string, pattern string) []string {
	var fitting []string
	for _, name := range names {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			fitting = append(fitting, name)
		}
	}
	return fitting
}
