package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
)

// Widening says that a configuration may give an administrator more than the one before.
type Widening struct {
	// Principal is one of the administrator's, and Person whose it is.
	Principal access.PrincipalID
	Person    access.PersonID
	// Why names the place.
	Why string
}

// Widened lists the administrators, by either configuration, to whom next may give more than now does. It compares what is
// written and tries no decision: who is not listed provably gets no more. told are the principals that sources of people tell
// of, at least those who administer by either configuration, and whoever shares a person with an administrator.
func Widened(now, next *Config, told []access.Principal) []Widening {
	var list []Widening
	for _, admin := range onePerPerson(slices.Concat(now.Administering(told), next.Administering(told))) {
		w := widening{now: now, next: next, told: told, person: admin.Person}
		if why := w.why(); why != "" {
			list = append(list, Widening{Principal: admin.ID, Person: admin.Person, Why: why})
		}
	}
	return list
}

// Administrators are the humans who have that role and can use it: of those whom the configuration lists, who has a token, and
// of those whom sources tell of, all whose source it has.
func (c *Config) Administrators(told []access.Principal) []access.Principal {
	sources := c.Sources()
	return slices.DeleteFunc(c.Administering(told), func(p access.Principal) bool {
		if entry, listed := c.entry(p.ID); listed {
			return entry.Token == ""
		}
		return !slices.Contains(sources, p.ID.Issuer)
	})
}

// Administering are the humans who have that role, whether or not they can use it now.
func (c *Config) Administering(told []access.Principal) []access.Principal {
	var list []access.Principal
	for _, p := range slices.Concat(c.listed(), told) {
		if p.Kind == access.Human && c.hasRole(p, access.RoleAdmin) {
			list = append(list, p)
		}
	}
	return list
}

// listed are the principals of the configuration.
func (c *Config) listed() []access.Principal {
	list := make([]access.Principal, len(c.Principals))
	for i, p := range c.Principals {
		list[i] = p.Principal
	}
	return list
}

func (c *Config) hasRole(p access.Principal, r access.Role) bool { return matched(c.Roles[r], p) }

func matched(selectors []policy.Selector, p access.Principal) bool {
	return slices.ContainsFunc(selectors, func(s policy.Selector) bool { return s.Matches(p) })
}

// onePerPerson keeps the first principal of each person.
func onePerPerson(list []access.Principal) []access.Principal {
	var first []access.Principal
	for _, p := range list {
		if !slices.ContainsFunc(first, func(other access.Principal) bool { return other.Person == p.Person }) {
			first = append(first, p)
		}
	}
	return first
}

// widening is the question whether a configuration gives one person more.
type widening struct {
	now, next *Config
	told      []access.Principal
	person    access.PersonID
	// selves are the person's principals, which are the same in both configurations once that was looked at.
	selves []access.Principal
}

// why is the first reason to think so, or nothing.
func (w *widening) why() string {
	if why := w.lastOther(); why != "" || w.left() {
		return why
	}
	for _, look := range []func() string{
		w.ownEntries, w.roles, w.sources, w.tokens, w.secrets, w.policies, w.named, w.bundles, w.connectors,
	} {
		if why := look(); why != "" {
			return why
		}
	}
	return ""
}

// of are the principals of the person that a configuration lists.
func (w *widening) of(c *Config) []Principal {
	return slices.DeleteFunc(slices.Clone(c.Principals), func(p Principal) bool { return p.Person != w.person })
}

func (c *Config) entry(id access.PrincipalID) (Principal, bool) {
	i := slices.IndexFunc(c.Principals, func(p Principal) bool { return p.ID == id })
	if i < 0 {
		return Principal{}, false
	}
	return c.Principals[i], true
}

// left reports whether nothing is left of the person, under whatever name.
func (w *widening) left() bool {
	for _, p := range w.of(w.now) {
		if _, there := w.next.entry(p.ID); there {
			return false
		}
	}
	return len(w.of(w.next)) == 0 && !slices.ContainsFunc(w.told, func(p access.Principal) bool { return p.Person == w.person })
}

// ownEntries compares what the static directory says of the person, and of the services and agents that they own.
func (w *widening) ownEntries() string {
	now, next := w.of(w.now), w.of(w.next)
	for _, p := range next {
		before, there := w.now.entry(p.ID)
		if !there || before.Person != w.person {
			return fmt.Sprintf("directory.static: %q is a principal of this person's, and was not", p.ID.Subject)
		}
		if !w.sameEntry(before.Principal, p.Principal) {
			return fmt.Sprintf("directory.static: the entry %q was changed", p.ID.Subject)
		}
		w.selves = append(w.selves, p.Principal)
	}
	if len(now) != len(next) {
		return "directory.static: a principal of this person's was removed, or is another's now"
	}
	for _, p := range w.told {
		if p.Person == w.person {
			w.selves = append(w.selves, p)
		}
	}
	return ""
}

// sameEntry compares what decisions may go by. What somebody is called is for people to read, unless something goes by it.
func (w *widening) sameEntry(a, b access.Principal) bool {
	if !w.now.readsNames() && !w.next.readsNames() {
		a.Name, b.Name = "", ""
	}
	return a.Equal(b)
}

// readsNames reports whether a policy, or a rule for accounts, goes by what somebody is called.
func (c *Config) readsNames() bool {
	return c.PolicySet.ReadsNames() || slices.ContainsFunc(c.Connectors, func(one Connector) bool {
		return one.Account != nil && one.Account.ReadsNames()
	})
}

func (w *widening) roles() string {
	for _, role := range slices.Sorted(maps.Keys(w.next.Roles)) {
		has := func(c *Config) bool {
			return slices.ContainsFunc(w.selves, func(p access.Principal) bool { return p.Kind == access.Human && c.hasRole(p, role) })
		}
		switch {
		case has(w.next) && !has(w.now):
			return fmt.Sprintf("roles: they get the role %s", role)
		case role == access.RoleAdmin && has(w.now) && !has(w.next):
			// What an administrator is given waits, and what others are given does not: who steps down could be given all the next time.
			return fmt.Sprintf("roles: they lose the role %s, and nobody would be asked about what they are given later", role)
		}
	}
	return ""
}

// lastOther looks whether nobody would be left who could disagree with another the next time. That is more for whoever writes the
// files, and so for those too who would be administrators no more: one who goes may come back when nobody is asked.
func (w *widening) lastOther() string {
	now, next := onePerPerson(w.now.Administrators(w.told)), onePerPerson(w.next.Administrators(w.told))
	if len(now) > 1 && len(next) < 2 {
		return "roles: no other administrator would be left"
	}
	return ""
}

// sources compares what says who is whom. How often a source is read, and when sessions end, says nothing of that.
func (w *widening) sources() string {
	unhurried := func(l *LDAP) *LDAP {
		if l == nil {
			return nil
		}
		plain := *l
		plain.Every, plain.MaxLoss = 0, 0
		return &plain
	}
	for _, part := range []struct {
		name      string
		now, next any
	}{
		{"oidc", w.now.OIDC, w.next.OIDC}, {"oidc.accounts", w.now.Accounts, w.next.Accounts}, {"scim", w.now.SCIM, w.next.SCIM},
		{"ldap", unhurried(w.now.LDAP), unhurried(w.next.LDAP)}, {"workloads", w.now.Workloads, w.next.Workloads},
	} {
		if !reflect.DeepEqual(part.now, part.next) {
			return fmt.Sprintf("directory.%s: what says who is whom was changed", part.name)
		}
	}
	return ""
}

// tokens looks for a token of somebody else's that was not there: whoever has written it here may know it, and so be them, too.
func (w *widening) tokens() string {
	for _, p := range w.next.Principals {
		before, _ := w.now.entry(p.ID)
		if p.Person != w.person && p.Token != "" && p.Token != before.Token {
			return fmt.Sprintf("directory.static: the token of %q is new, and may be known to them", p.ID.Subject)
		}
	}
	return ""
}

// secrets looks for a secret that would be shown where it was not: whoever answers there learns it, and so may come to be whose token
// it is, or to have what a connector has. A witness is shown whatever its token leads to. What a connector alone uses, and
// newly, is looked at by connectors.
func (w *widening) secrets() string {
	for _, witness := range w.next.Audit.Witnesses {
		known := slices.ContainsFunc(w.now.Audit.Witnesses, func(other Witness) bool {
			return other.Webhook == witness.Webhook && other.Token == witness.Token
		})
		if witness.Token != "" && !known {
			return fmt.Sprintf("audit.witnesses: %q is shown a secret that it was not shown before", witness.Name)
		}
	}
	for _, c := range w.next.Connectors {
		i := slices.IndexFunc(w.now.Connectors, func(other Connector) bool { return other.Name == c.Name })
		if i >= 0 && sameAddress(w.now.Connectors[i], c) {
			continue
		}
		for _, ref := range c.shown() {
			if w.now.uses(ref) {
				return fmt.Sprintf("connectors: %q shows a secret that is in use (%s) where it was not shown before", c.Name, ref)
			}
		}
	}
	return ""
}

// uses reports whether a secret is in use.
func (c *Config) uses(ref secret.Ref) bool {
	return slices.Contains(c.references, ref) || slices.ContainsFunc(c.Connectors, func(one Connector) bool { return slices.Contains(one.shown(), ref) })
}

// shown are the secrets that a target is shown: those of references, and a token that is read for every call.
func (c Connector) shown() []secret.Ref {
	all := slices.Clone(c.Secrets)
	values := reflect.ValueOf(c.Config).Elem()
	for _, field := range reflect.VisibleFields(values.Type()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if path := values.FieldByIndex(field.Index); name == "token_file" && path.Kind() == reflect.String && path.Len() > 0 {
			all = append(all, secret.Ref("file:"+filepath.Clean(path.String())))
		}
	}
	return all
}

func (w *widening) policies() string {
	if why := policy.Wider(w.now.PolicySet, w.next.PolicySet, w.selves); why != "" {
		return "policies: " + why
	}
	return ""
}

// named looks for somebody new among those who may review what the person asks for, or ask in their name.
func (w *widening) named() string {
	for _, selector := range w.next.PolicySet.Named(w.selves) {
		for _, p := range w.next.listed() {
			before, _ := w.now.entry(p.ID)
			known := func(s policy.Selector) bool {
				return s.Matches(before.Principal) && before.Kind == p.Kind && before.Person == p.Person
			}
			for _, s := range w.meant(selector) {
				if s.Matches(p) && !known(s) {
					return fmt.Sprintf("directory.static: %q is one of those whom their policies name as %s, and was not", p.ID.Subject, selector)
				}
			}
		}
	}
	return ""
}

// meant are the selectors that a selector of a policy may stand for, whatever the resource is.
func (w *widening) meant(s policy.Selector) (list []policy.Selector) {
	switch s {
	case policy.OwnerOfResource:
		for _, c := range w.next.Connectors {
			owners := slices.Clone(c.Owners.All)
			for _, of := range c.Owners.Of {
				owners = append(owners, of...)
			}
			for _, owner := range owners {
				list = append(list, policy.Selector(owner))
			}
		}
	case policy.ManagerOfRequester:
		for _, p := range w.selves {
			if !p.Manager.IsZero() {
				list = append(list, policy.Selector("principal:"+p.Manager.String()))
			}
		}
	default:
		list = append(list, s)
	}
	return list
}

func (w *widening) bundles() string {
	for _, name := range slices.Sorted(maps.Keys(w.next.Bundles)) {
		before, there := w.now.Bundles[name]
		if (!there || !reflect.DeepEqual(before, w.next.Bundles[name])) && w.next.PolicySet.MayGiveBundle(w.selves, name) {
			return fmt.Sprintf("bundles: %q was added or changed, and a policy allows it to them", name)
		}
	}
	return ""
}

func (w *widening) connectors() string {
	for _, c := range w.next.Connectors {
		i := slices.IndexFunc(w.now.Connectors, func(other Connector) bool { return other.Name == c.Name })
		if (i < 0 || !sameTarget(w.now.Connectors[i], c)) && w.reaches(c.Name) {
			return fmt.Sprintf("connectors: %q was added or changed, and a policy may allow them something behind it", c.Name)
		}
	}
	return ""
}

// reaches reports whether a policy may allow the person something behind a connector.
func (w *widening) reaches(name access.ConnectorName) bool {
	if w.next.PolicySet.MayGive(w.selves, name) {
		return true
	}
	for bundle, b := range w.next.Bundles {
		behind := slices.ContainsFunc(b.Entitlements, func(e access.Entitlement) bool { return e.Connector == name })
		if behind && w.next.PolicySet.MayGiveBundle(w.selves, bundle) {
			return true
		}
	}
	return false
}

// sameTarget compares two connectors but for how they are called.
func sameTarget(a, b Connector) bool {
	rule := func(c Connector) string {
		if c.Account == nil {
			return ""
		}
		return c.Account.Text()
	}
	return a.Type.Name == b.Type.Name && maps.Equal(a.Labels, b.Labels) && sameOwners(a.Owners, b.Owners) && rule(a) == rule(b) &&
		slices.Equal(a.Secrets, b.Secrets) && reflect.DeepEqual(a.Config, b.Config)
}

// sameAddress reports whether two connectors show the same secrets at the same place, as far as can be told: what can be asked for is
// the one key of all types that says nothing of that.
func sameAddress(a, b Connector) bool {
	if a.Type.Name != b.Type.Name || !slices.Equal(a.Secrets, b.Secrets) {
		return false
	}
	one, other := reflect.ValueOf(a.Config).Elem(), reflect.ValueOf(b.Config).Elem()
	for _, field := range reflect.VisibleFields(one.Type()) {
		if !field.IsExported() || field.Tag.Get("json") == "permissions" {
			continue
		}
		if !reflect.DeepEqual(one.FieldByIndex(field.Index).Interface(), other.FieldByIndex(field.Index).Interface()) {
			return false
		}
	}
	return true
}

func sameOwners(a, b connector.Owners) bool {
	return slices.Equal(a.All, b.All) && maps.EqualFunc(a.Of, b.Of, func(x, y []string) bool { return slices.Equal(x, y) })
}
