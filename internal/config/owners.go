package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// Bounds of what a connector says of owners.
const (
	maxOwners         = 64
	maxResourceOwners = 10_000
)

// owners makes the canonical selectors of those who own something: names of groups, principals and persons.
func (a *assembly) owners(at []string, written []string) []string {
	if len(written) > maxOwners {
		a.complain(at, "%d owners are more than %d: make them a group", len(written), maxOwners)
		return nil
	}
	var owners []string
	for i, w := range written {
		s, err := policy.ParseSelector(w)
		switch {
		case err != nil:
			a.complain(append(at, keyPath(i)...), "%v", err)
		case !strings.Contains(string(s), ":") || strings.HasPrefix(string(s), "kind:"):
			a.complain(append(at, keyPath(i)...), "%s is too wide for an owner: name groups, principals or persons", quote(w))
		default:
			owners = append(owners, string(s))
		}
	}
	a.checkSelectors(at, written)
	slices.Sort(owners)
	return slices.Compact(owners)
}

// resourceOwners are the owners of single resources. An empty list would leave a resource without any, where the owners of
// the connector are meant to be in their place.
func (a *assembly) resourceOwners(name access.ConnectorName, written map[string][]string) map[string][]string {
	at := keyPath("connectors", string(name), "resource_owners")
	if len(written) > maxResourceOwners {
		a.complain(at, "%d resources with owners of their own are more than %d", len(written), maxResourceOwners)
		return nil
	}
	var out map[string][]string
	for _, resource := range slices.Sorted(maps.Keys(written)) {
		place := append(slices.Clip(at), resource)
		if len(written[resource]) == 0 {
			a.complain(place, "the list is empty: name the owners of %s, or leave it to the owners of the connector", quote(resource))
			continue
		}
		if out == nil {
			out = make(map[string][]string, len(written))
		}
		out[resource] = a.owners(place, written[resource])
	}
	return out
}
