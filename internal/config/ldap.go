package config

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/identity/ldap"
	"github.com/curfewhq/curfew/internal/ldapdial"
	"github.com/curfewhq/curfew/internal/secret"
)

// LDAP is a directory that tells of people.
type LDAP struct {
	// Source is the issuer of its principals, and the source of its groups.
	Source string
	// Directory is what to read. Its server lacks the password, to which Password leads, and the certificates of CAFile.
	Directory ldap.Config
	Password  secret.Ref
	CAFile    string
	// Every is how often to read it, and MaxLoss the share of its people, in percent, that one read may find gone.
	Every   time.Duration
	MaxLoss int
}

const (
	defaultLDAPSource = "ldap"
	defaultEvery      = 15 * time.Minute
	maxLDAPEvery      = 24 * time.Hour
	defaultMaxLoss    = 20
	maxFilter         = 4096
)

// ldap checks the directory; nil when there is none.
func (a *assembly) ldap() *LDAP {
	w := a.written.Directory.LDAP
	if w == nil {
		return nil
	}
	at := keyPath("directory", "ldap")
	l := &LDAP{
		Source: w.Name, Password: w.Password, MaxLoss: defaultMaxLoss,
		Directory: ldap.Config{
			Server: ldapdial.Server{URL: w.URL, StartTLS: w.StartTLS, BindDN: w.BindDN},
			Base:   w.Base, Filter: w.Filter, Attributes: w.Attributes, Groups: ldap.Groups(w.Groups),
		},
	}
	if l.Source == "" {
		l.Source = defaultLDAPSource
	}
	a.sourceName(under(at, "name"), l.Source)
	switch err := ldapdial.CheckURL(w.URL, w.StartTLS); {
	case errors.Is(err, ldapdial.ErrStartTLS):
		a.complain(under(at, "start_tls"), "start_tls: %v", err)
	case err != nil:
		a.refuseAddress(under(at, "url"), "url: "+err.Error())
	}
	if w.CAFile != "" {
		l.CAFile = a.resolve(under(at, "ca_file"), w.CAFile)
	}
	if w.Password == "" {
		a.complain(under(at, "password"), "password is missing: that of Curfew's account there, as in env:LDAP_PASSWORD. Without one a directory lets everybody in, and shows what it shows to everybody")
	}
	a.checkSearches(at, w)
	l.Every = a.durationWithin(under(at, "every"), w.Every, defaultEvery, maxLDAPEvery)
	if w.MaxLoss != nil {
		if l.MaxLoss = *w.MaxLoss; l.MaxLoss < 0 || l.MaxLoss > 100 {
			a.complain(under(at, "max_loss"), "max_loss: want 0 to 100, the share of people in percent that one read may find gone")
		}
	}
	return l
}

// checkSearches checks what is searched for.
func (a *assembly) checkSearches(at []string, w *ldapSchema) {
	a.checkMapping(under(at, "attributes"), w.Attributes)
	for name, attribute := range w.Attributes {
		if name == directory.SubjectAttribute {
			a.complain(under(under(at, "attributes"), name), "%s stands for what the directory knows somebody by for ever; name the attribute otherwise", name)
		} else if err := ldap.CheckAttribute(attribute); attribute != "" && err != nil {
			a.complain(under(under(at, "attributes"), name), "%v", err)
		}
	}
	groups := under(at, "groups")
	for _, one := range []struct {
		at       []string
		dn       string
		required bool
	}{{under(at, "bind_dn"), w.BindDN, true}, {under(at, "base"), w.Base, true}, {under(groups, "base"), w.Groups.Base, w.Groups != ldapGroupsSchema{}}} {
		if err := ldap.CheckDN(one.dn); (one.required || one.dn != "") && err != nil {
			a.complain(one.at, "%s: %v", one.at[len(one.at)-1], err)
		}
	}
	for _, one := range []struct {
		at     []string
		filter string
	}{{under(at, "filter"), w.Filter}, {under(groups, "filter"), w.Groups.Filter}} {
		if one.filter == "" {
			continue
		}
		if err := ldap.CheckFilter(one.filter); err != nil || len(one.filter) > maxFilter {
			a.complain(one.at, "filter: want one of RFC 4515 with at most %d bytes, as in (objectClass=inetOrgPerson)", maxFilter)
		}
	}
	if err := ldap.CheckAttribute(w.Groups.Name); w.Groups.Name != "" && err != nil {
		a.complain(under(groups, "name"), "name: %v", err)
	}
}

// Accounts say of which source the people are whom a provider signs in.
type Accounts struct {
	// Claim is the provider's word, and directory.Accounts what must equal it.
	Claim string
	directory.Accounts
}

// accounts checks whose the people are whom the provider signs in; nil where they are its own.
func (a *assembly) accounts(sources map[string]map[string]string) *Accounts {
	if a.written.Directory.OIDC == nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(sources))
	if a.written.Directory.OIDC.Accounts == nil {
		if len(names) > 0 {
			// Two accounts of each human, of which the one that signs in is never taken away.
			a.complain(keyPath("directory", "oidc"), "who signs in would be other people than those of %s, and stay when these leave: say whose accounts they are, as in accounts: {of: %[1]s, claim: CLAIM, attribute: ATTRIBUTE}", names[0])
		}
		return nil
	}
	w := *a.written.Directory.OIDC.Accounts
	at := keyPath("directory", "oidc", "accounts")
	out := &Accounts{Claim: w.Claim, Accounts: directory.Accounts{Of: w.Of, Attribute: w.Attribute}}
	if out.Claim == "" {
		out.Claim = "sub"
	}
	if out.Attribute == "" {
		out.Attribute = directory.SubjectAttribute
	}
	attributes := slices.Sorted(maps.Keys(sources[w.Of]))
	_, known := sources[w.Of]
	switch {
	case w.Of == "":
		a.complain(under(at, "of"), "of is missing: the source that has the people whom this provider signs in%s", a.nearOr("", names, "there are"))
	case !known:
		a.complain(under(at, "of"), "of %s is no source that has people%s", quote(w.Of), a.nearOr(w.Of, names, "there are"))
	case out.Attribute != directory.SubjectAttribute && !slices.Contains(attributes, out.Attribute):
		a.complain(under(at, "attribute"), "attribute %s is none that %s keeps%s", quote(out.Attribute), w.Of,
			a.nearOr(out.Attribute, append(attributes, directory.SubjectAttribute), "it keeps"))
	}
	return out
}
