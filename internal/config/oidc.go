package config

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/outbound"
	"github.com/curfewhq/curfew/internal/secret"
)

// OIDC is a provider that signs people in.
type OIDC struct {
	// Source is the issuer of its principals, and the source of its groups.
	Source string
	// Issuer is its address, as its tokens have it.
	Issuer string
	// ClientID and ClientSecret are Curfew's own there; a public client has no secret.
	ClientID     string
	ClientSecret secret.Ref
	// Scopes are asked for besides openid and profile.
	Scopes []string
	// GroupsClaim is the claim that has the groups. NoGroups says that a token without it is of somebody without groups.
	GroupsClaim string
	NoGroups    bool
	// Attributes are the claims to keep, by the attributes that they become.
	Attributes map[string]string
}

// Sessions say when the session of somebody who has signed in ends.
type Sessions struct {
	// Idle is after which time without use, and Lifetime after which in any case.
	Idle, Lifetime time.Duration
}

const (
	defaultOIDCSource  = "oidc"
	defaultGroupsClaim = "groups"
	defaultIdle        = 8 * time.Hour
	defaultLifetime    = 12 * time.Hour
	minSession         = time.Minute
	maxSession         = 90 * 24 * time.Hour
	maxScopes          = 20
	maxMapped          = 50
)

// sessions checks when sessions end.
func (a *assembly) sessions() Sessions {
	s := Sessions{Idle: defaultIdle, Lifetime: defaultLifetime}
	w := a.written.Directory.Sessions
	for _, one := range []struct {
		key     string
		written *time.Duration
		into    *time.Duration
	}{{"idle", w.Idle, &s.Idle}, {"lifetime", w.Lifetime, &s.Lifetime}} {
		if one.written == nil {
			continue
		}
		if *one.written < minSession || *one.written > maxSession {
			a.complain(keyPath("directory", "sessions", one.key), "%s: want %s to %s", one.key, minSession, maxSession)
		}
		*one.into = *one.written
	}
	s.Idle = min(s.Idle, s.Lifetime)
	return s
}

// oidc checks the provider; nil when there is none.
func (a *assembly) oidc() *OIDC {
	w := a.written.Directory.OIDC
	if w == nil {
		return nil
	}
	at := keyPath("directory", "oidc")
	o := &OIDC{
		Source: w.Name, Issuer: w.Issuer, ClientID: w.ClientID, ClientSecret: w.ClientSecret, Scopes: w.Scopes,
		GroupsClaim: w.GroupsClaim, Attributes: w.Attributes,
	}
	if o.Source == "" {
		o.Source = defaultOIDCSource
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = defaultGroupsClaim
	}
	a.sourceName(under(at, "name"), o.Source)
	if err := outbound.CheckURL(o.Issuer); err != nil {
		a.refuseAddress(under(at, "issuer"), "the provider's issuer: "+err.Error())
	}
	if o.ClientID == "" {
		a.complain(under(at, "client_id"), "client_id is missing: the name that Curfew has at the provider")
	}
	switch w.GroupsAbsent {
	case "", "refuse":
	case "none":
		o.NoGroups = true
	default:
		a.complain(under(at, "groups_absent"), "groups_absent %s: want refuse (who has no such claim is not signed in) or none (they are in no group)", quote(w.GroupsAbsent))
	}
	a.checkScopes(under(at, "scopes"), o.Scopes)
	a.checkMapping(under(at, "attributes"), o.Attributes)
	if a.written.Server.URL == "" {
		a.complain(at, "signing in needs server.url: the provider sends people back there, as in url: https://curfew.example.com")
	}
	return o
}

// sourceName holds the name of a source against the alphabet of connectors' names, which no other source has.
func (a *assembly) sourceName(at []string, name string) {
	switch {
	case access.ConnectorName(name).Validate() != nil:
		a.complain(at, "name %s: want 1 to 63 of a-z 0-9 -", quote(name))
	case name == access.StaticIssuer:
		a.complain(at, "name %s is that of the principals in this configuration; take another", quote(name))
	case name == access.WorkloadIssuer:
		a.complain(at, "name %s is that of the rules for workloads; take another", quote(name))
	case slices.Contains(a.sources, name):
		a.complain(at, "name %s is that of two sources; each has its own", quote(name))
	}
	a.sources = append(a.sources, name)
}

func (a *assembly) checkScopes(at []string, scopes []string) {
	if len(scopes) > maxScopes {
		a.complain(at, "%d scopes are more than %d", len(scopes), maxScopes)
		return
	}
	for i, s := range scopes {
		if !plainName.MatchString(s) {
			a.complain(append(slices.Clone(at), keyPath(i)...), "scope %s: %s", quote(s), wantPlainName)
		}
	}
}

// checkMapping checks which words of a source become which attributes.
func (a *assembly) checkMapping(at []string, mapped map[string]string) {
	if len(mapped) > maxMapped {
		a.complain(at, "%d attributes are more than %d", len(mapped), maxMapped)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(mapped)) {
		if mapped[key] == "" || len(key)+len(mapped[key]) > maxAttributeBytes {
			a.complain(under(at, key), "say which word of the source the attribute is, as in db_user: email")
		}
	}
}
