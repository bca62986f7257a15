package config

import (
	"maps"
	"regexp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// bundleName is the alphabet that package policy reads behind "bundle:".
var bundleName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// bundles makes the named sets of entitlements.
func (a *assembly) bundles() map[string]access.Bundle {
	bundles := make(map[string]access.Bundle, len(a.written.Bundles))
	for _, name := range slices.Sorted(maps.Keys(a.written.Bundles)) {
		w := a.written.Bundles[name]
		at := keyPath("bundles", name)
		if !bundleName.MatchString(name) {
			a.complain(at, "bundle %s: want 1 to 63 of a-z 0-9 -", quote(name))
		}
		switch n := len(w.Entitlements); {
		case n == 0:
			a.complain(append(at, "entitlements"), "bundle %s is empty: write entitlements, as in [orders-db/orders:read]", quote(name))
		case n > access.MaxEntitlements:
			a.complain(append(at, "entitlements"), "bundle %s has %d entitlements; at most %d", quote(name), n, access.MaxEntitlements)
		}
		if w.OnPartial != "" && w.OnPartial != "keep" && w.OnPartial != "undo" {
			a.complain(append(at, "on_partial"), "on_partial is keep or undo, not %s", quote(w.OnPartial))
		}
		bundles[name] = access.Bundle{Entitlements: a.entitlements(name, w.Entitlements), UndoPartial: w.OnPartial == "undo"}
	}
	return bundles
}

func (a *assembly) entitlements(bundle string, written []string) []access.Entitlement {
	var list []access.Entitlement
	for i, w := range written {
		at := keyPath("bundles", bundle, "entitlements", i)
		e, err := access.ParseEntitlement(w)
		switch {
		case err != nil:
			a.complain(at, "%v", err)
			continue
		case slices.Contains(list, e):
			a.complain(at, "%s stands in the bundle twice", quote(w))
			continue
		}
		a.checkTarget(at, string(e.Connector), e.Permission)
		list = append(list, e)
	}
	return list
}
