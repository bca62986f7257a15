package config

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity/workload"
	"github.com/curfewhq/curfew/internal/outbound"
)

// Workloads are the rules by which workloads are trusted, in file order, and where the keys of their issuers are.
type Workloads struct {
	Rules []workload.Rule
	Keys  map[string]workload.KeySource
}

const (
	maxWorkloadRules    = 500
	defaultWorkloadLife = 15 * time.Minute
	maxWorkloadLife     = 6 * time.Hour
	defaultWorkloadAge  = time.Hour
	maxWorkloadAge      = 24 * time.Hour
)

// workloadScopes are what a workload can be trusted with: it asks for access, and decides nothing.
func workloadScopes() []access.Scope {
	return []access.Scope{access.ScopeRead, access.ScopeRequest, access.ScopeCredential}
}

// workloads checks the rules by which workloads are trusted.
func (a *assembly) workloads(principals []Principal) Workloads {
	written := a.written.Directory.Workloads
	if len(written) > maxWorkloadRules {
		a.complain(keyPath("directory", "workloads"), "%d rules are more than %d", len(written), maxWorkloadRules)
		return Workloads{}
	}
	out := Workloads{Keys: map[string]workload.KeySource{}}
	names := map[string]bool{}
	for i, w := range written {
		at := keyPath("directory", "workloads", i)
		a.workloadName(under(at, "name"), w.Name, names)
		r := workload.Rule{Name: w.Name, Issuer: w.Issuer, Audience: w.Audience, Claims: a.workloadClaims(w)}
		if err := outbound.CheckURL(w.Issuer); err != nil {
			a.refuseAddress(under(at, "issuer"), "issuer: "+err.Error())
		}
		if err := r.CheckAudience(); err != nil {
			a.complain(under(at, "audience"), "%v", err)
		}
		if err := r.CheckClaims(); err != nil {
			a.complain(under(at, "claims"), "%v", err)
		}
		r.MaxAge = a.durationWithin(under(at, "max_age"), w.MaxAge, defaultWorkloadAge, maxWorkloadAge)
		r.Lifetime = a.durationWithin(under(at, "lifetime"), w.Lifetime, defaultWorkloadLife, maxWorkloadLife)
		r.Principal, r.Scopes = a.workloadService(at, w, principals), a.workloadScopes(at, w)
		a.workloadKeys(at, w, out.Keys)
		out.Rules = append(out.Rules, r)
	}
	return out
}

// workloadName holds the name of a rule, which the audit log has, against the alphabet of connectors' names.
func (a *assembly) workloadName(at []string, name string, taken map[string]bool) {
	switch {
	case access.ConnectorName(name).Validate() != nil:
		a.complain(at, "name %s: a rule has a name of 1 to 63 of a-z 0-9 -", quote(name))
	case taken[name]:
		a.complain(at, "name %s is that of two rules; each has its own", quote(name))
	}
	taken[name] = true
}

// workloadClaims reads the values that claims may have: a text, or a list of them.
func (a *assembly) workloadClaims(w workloadSchema) map[string][]string {
	claims := make(map[string][]string, len(w.Claims))
	for name, n := range w.Claims {
		values := []*node{n}
		if n.kind == kindList {
			values = n.items
		}
		claims[name] = []string{}
		for _, v := range values {
			if v.kind != kindText {
				a.refuse(v, "the claim %s is %s: want a text, or a list of texts; put a number in quotes", quote(name), v.kind)
				continue
			}
			v.public = true
			claims[name] = append(claims[name], v.text)
		}
	}
	return claims
}

// durationWithin is what is written, or the default. Less than a minute is none.
func (a *assembly) durationWithin(at []string, written *time.Duration, usual, most time.Duration) time.Duration {
	if written == nil {
		return usual
	}
	if *written < time.Minute || *written > most {
		a.complain(at, "%s: want %s to %s", at[len(at)-1], time.Minute, most)
	}
	return *written
}

// workloadService is whom the workload acts as: a service of this configuration.
func (a *assembly) workloadService(at []string, w workloadSchema, principals []Principal) access.PrincipalID {
	at = under(at, "principal")
	var services []string
	for _, p := range principals {
		if p.Kind == access.Service {
			services = append(services, p.ID.Subject)
		}
	}
	switch {
	case w.Principal == "":
		a.complain(at, "principal is missing: the service of directory.static that the workload acts as")
	case !slices.Contains(services, w.Principal):
		a.complain(at, "principal %s is no service of directory.static%s", quote(w.Principal), a.nearOr(w.Principal, services, "there are"))
	}
	return access.PrincipalID{Issuer: access.StaticIssuer, Subject: w.Principal}
}

// workloadScopes are what the session is confined to; by default all that a workload can be trusted with.
func (a *assembly) workloadScopes(at []string, w workloadSchema) []access.Scope {
	known := workloadScopes()
	if w.Scopes == nil {
		return known
	}
	at = under(at, "scopes")
	if len(w.Scopes) == 0 {
		a.complain(at, "scopes: name one at least, or leave the key out")
	}
	var names []string
	for _, s := range known {
		names = append(names, string(s))
	}
	scopes := make([]access.Scope, len(w.Scopes))
	for i, s := range w.Scopes {
		scopes[i] = access.Scope(s)
		switch {
		case !slices.Contains(names, s):
			a.complain(append(slices.Clone(at), keyPath(i)...), "scope %s is none that a workload can have%s", quote(s), a.nearOr(s, names, "there are"))
		case slices.Contains(w.Scopes[:i], s):
			a.complain(append(slices.Clone(at), keyPath(i)...), "scope %s stands here twice", quote(s))
		}
	}
	return scopes
}

// workloadKeys notes where the keys of a rule's issuer are. Rules of one issuer agree on that, or only one says it.
func (a *assembly) workloadKeys(at []string, w workloadSchema, known map[string]workload.KeySource) {
	at = under(at, "keys")
	k := workload.KeySource{URL: w.Keys.URL, Token: w.Keys.Token}
	if w.Keys.File != "" {
		k.File = a.resolve(under(at, "file"), w.Keys.File)
	}
	if w.Keys.CA != "" {
		k.CAFile = a.resolve(under(at, "ca"), w.Keys.CA)
	}
	if k == (workload.KeySource{}) {
		return
	}
	if err := outbound.CheckURL(k.URL); k.URL != "" && err != nil {
		a.refuseAddress(under(at, "url"), "url: "+err.Error())
	}
	switch earlier, there := known[w.Issuer]; {
	case k.File != "" && (k.URL != "" || k.CAFile != "" || k.Token != ""):
		a.complain(at, "keys that are in a file come from nowhere else: file stands alone")
	case k.Token != "" && k.URL == "":
		a.complain(under(at, "token"), "token is for the url of the keys, which is missing")
	case there && earlier != k:
		a.complain(at, "another rule of this issuer has its keys elsewhere; an issuer has one place for them")
	}
	known[w.Issuer] = k
}
