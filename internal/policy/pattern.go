package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// Bounds of a pattern: its bytes, and the wildcards in one of its parts.
const (
	maxPattern   = 600
	maxWildcards = 8
)

const bundlePrefix = "bundle:"

var (
	connectorGlob  = regexp.MustCompile(`^[a-z0-9*-]{1,63}$`)
	permissionGlob = regexp.MustCompile(`^[A-Za-z0-9._*-]{1,128}$`)
	bundleName     = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
)

// pattern stands for entitlements. It is taken apart by the rule by which entitlements are, and its parts are compared
// with theirs: a resource called "tenant/admin" can therefore never pass for "admin", whatever stands before it.
type pattern struct {
	// bundle is set for "bundle:NAME", which is the bundle asked for by name; the rest is then empty.
	bundle                          string
	connector, resource, permission glob
}

// parsePattern reads CONNECTOR/RESOURCE:PERMISSION with wildcards, "**" for everything, or "bundle:NAME". In the resource
// "*" stands for any run of characters but "/" and ":", and "**" for any run at all; a connector and a permission have no
// "/" and ":", so that "*" is enough there. Its errors are safe to show and say the remedy.
func parsePattern(text string) (pattern, error) {
	if len(text) > maxPattern {
		return pattern{}, fmt.Errorf("a pattern of %d bytes is longer than %d", len(text), maxPattern)
	}
	if name, ok := strings.CutPrefix(text, bundlePrefix); ok {
		if !bundleName.MatchString(name) {
			return pattern{}, fmt.Errorf("pattern %q: after bundle: comes a name of 1 to 63 of a-z 0-9 -", text)
		}
		return pattern{bundle: name}, nil
	}
	p, err := parseEntitlementPattern(text)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", text, err)
	}
	return p, nil
}

func parseEntitlementPattern(text string) (pattern, error) {
	if text == "**" {
		text = "*/**:*"
	}
	connector, rest, ok := strings.Cut(text, "/")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 0 {
		return pattern{}, errors.New("want CONNECTOR/RESOURCE:PERMISSION, as in orders-db/**:read, or bundle:NAME, or ** for everything")
	}
	resource, permission := rest[:colon], rest[colon+1:]
	switch {
	case strings.Contains(connector, "**") || strings.Contains(permission, "**"):
		return pattern{}, errors.New(`"**" is for the resource; a connector and a permission have no "/" and ":", write "*"`)
	case !connectorGlob.MatchString(connector):
		return pattern{}, fmt.Errorf("connector %q: want 1 to 63 of a-z 0-9 - *", connector)
	case !permissionGlob.MatchString(permission):
		return pattern{}, fmt.Errorf("permission %q: want 1 to 128 of A-Z a-z 0-9 . _ - *", permission)
	}
	if err := access.ValidateResourceName(resource); err != nil {
		return pattern{}, err
	}
	var p pattern
	for _, part := range []struct {
		glob *glob
		text string
	}{{&p.connector, connector}, {&p.resource, resource}, {&p.permission, permission}} {
		g, err := compileGlob(part.text)
		if err != nil {
			return pattern{}, err
		}
		*part.glob = g
	}
	return p, nil
}

// matches reports whether the target is meant: the bundle when it was asked for by that name, else the entitlement,
// whether or not it was asked for as a member of a bundle.
func (p *pattern) matches(t *Target) bool {
	if p.bundle != "" {
		return p.bundle == t.Bundle
	}
	e := &t.Entitlement
	return p.connector.match(string(e.Connector)) && p.resource.match(e.Resource) && p.permission.match(e.Permission)
}

// literalConnector is the one connector that the pattern can match, if there is only one.
func (p *pattern) literalConnector() (access.ConnectorName, bool) {
	return access.ConnectorName(p.connector.prefix), p.connector.wildcard == wildcardNone
}

type wildcard uint8

const (
	wildcardNone wildcard = iota
	// wildcardSegment is one "*".
	wildcardSegment
	// wildcardDeep is one "**".
	wildcardDeep
	// wildcardSeveral is more than one of either.
	wildcardSeveral
)

// glob matches one part of an entitlement. Nearly every one has at most one wildcard and is matched by its ends, which
// is what lets a thousand policies be tried in microseconds; regexp, linear in its input, has the rest.
type glob struct {
	// prefix stands before the first wildcard, or is everything; suffix stands after the last.
	prefix, suffix string
	wildcard       wildcard
	several        *regexp.Regexp
}

func compileGlob(text string) (glob, error) {
	first := strings.IndexByte(text, '*')
	if first < 0 {
		return glob{prefix: text}, nil
	}
	last := strings.LastIndexByte(text, '*')
	g := glob{prefix: text[:first], suffix: text[last+1:], wildcard: wildcardSeveral}
	switch text[first : last+1] {
	case "*":
		g.wildcard = wildcardSegment
		return g, nil
	case "**":
		g.wildcard = wildcardDeep
		return g, nil
	}
	if strings.Contains(text, "***") {
		return glob{}, errors.New(`"***" means nothing; write "*" or "**"`)
	}
	if strings.Count(text, "*") > maxWildcards {
		return glob{}, fmt.Errorf("more than %d wildcards in %q", maxWildcards, text)
	}
	quoted := regexp.QuoteMeta(text)
	expression := strings.NewReplacer(`\*\*`, `.*`, `\*`, `[^/:]*`).Replace(quoted)
	re, err := regexp.Compile(`\A(?s:` + expression + `)\z`)
	if err != nil {
		return glob{}, fmt.Errorf("%q cannot be matched: %w", text, err)
	}
	g.several = re
	return g, nil
}

func (g *glob) match(s string) bool {
	if g.wildcard == wildcardNone {
		return s == g.prefix
	}
	if len(s) < len(g.prefix)+len(g.suffix) || !strings.HasPrefix(s, g.prefix) || !strings.HasSuffix(s, g.suffix) {
		return false
	}
	switch g.wildcard {
	case wildcardSegment:
		return !strings.ContainsAny(s[len(g.prefix):len(s)-len(g.suffix)], "/:")
	case wildcardDeep:
		return true
	default:
		return g.several.MatchString(s)
	}
}
