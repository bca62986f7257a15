// Package directory knows who is who: principals, their groups and persons, their tokens and sessions, and their roles.
//
// It owns looking a principal up, by key and by bearer token, what a selector of people stands for, and keeping what sources
// of identities tell: Directory reads, Registrar writes. It does not own how a source is asked (internal/identity/*), nor what
// follows for somebody's access when something changes of them (package engine). It decides nothing.
package directory

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/store"
)

// Entry is one principal of the configuration with its bearer token, or none.
type Entry struct {
	Principal access.Principal
	Token     string
	// Void says that the token was good once and is so no more.
	Void bool
}

// Config is what a Directory knows.
type Config struct {
	// Entries are the principals of the configuration.
	Entries []Entry
	Roles   map[access.Role][]policy.Selector
	// Store has the profiles and the sessions of everybody else. Nil knows the configuration alone.
	Store  store.Store
	Tenant access.TenantID
	// Sources tell of people. Who is of another is not there any more: nobody would say that they have left. Nil is every source.
	Sources []string
	// Limits say when sessions end.
	Limits Limits
	// Accounts say of which source the people are whom a provider signs in, by the provider; one that is not here has its own.
	Accounts map[string]Accounts
	// Workloads are the services that rules of trust are for, by the names of the rules. What a rule let in ends with it.
	Workloads map[string]access.PrincipalID
}

// Directory knows the principals of a configuration, which do not change, and those in the store as they are. It is safe for
// concurrent use.
type Directory struct {
	config     Config
	principals map[access.PrincipalID]access.Principal
	// tokens are looked up by SHA-256: the time that a look-up takes tells nothing about a token.
	tokens map[[sha256.Size]byte]holder
	// members keeps which principals of the configuration a selector stands for: who asks are policies, so there are few, and
	// they ask again with every request.
	members sync.Map
}

// holder is whose a token is, or was.
type holder struct {
	id   access.PrincipalID
	void bool
}

// New makes a directory. Two principals with one token are refused.
func New(c Config) (*Directory, error) {
	d := &Directory{
		config:     c,
		principals: make(map[access.PrincipalID]access.Principal, len(c.Entries)),
		tokens:     make(map[[sha256.Size]byte]holder, len(c.Entries)),
	}
	d.config.Roles = maps.Clone(c.Roles)
	for _, e := range c.Entries {
		id := e.Principal.ID
		if _, ok := d.principals[id]; ok {
			return nil, access.Errorf(access.KindInvalid, "the principal %s is listed twice", id)
		}
		d.principals[id] = e.Principal
		if e.Token == "" {
			continue
		}
		hash := sha256.Sum256([]byte(e.Token))
		if other, ok := d.tokens[hash]; ok {
			return nil, access.Errorf(access.KindInvalid, "the principals %s and %s have the same token", other.id, id)
		}
		d.tokens[hash] = holder{id, e.Void}
	}
	return d, nil
}

// VoidTokens counts the tokens that were good once and are so no more.
func (d *Directory) VoidTokens() (n int) {
	for _, h := range d.tokens {
		if h.void {
			n++
		}
	}
	return n
}

// Principal finds a principal as it is now; access.KindNotFound when it is gone.
func (d *Directory) Principal(ctx context.Context, id access.PrincipalID) (p access.Principal, err error) {
	if p, ok := d.principals[id]; ok {
		return p, nil
	}
	if d.config.Store == nil || id.Issuer == access.StaticIssuer {
		return access.Principal{}, unknown(id)
	}
	err = d.config.Store.View(ctx, func(tx store.Tx) error {
		p, err = d.profiled(tx, id)
		return err
	})
	return p, err
}

// profiled finds a principal that a source of identities has told of.
func (d *Directory) profiled(tx store.Tx, id access.PrincipalID) (access.Principal, error) {
	profile, err := tx.Profiles().Get(d.config.Tenant, id)
	if access.KindOf(err) == access.KindNotFound || err == nil && !d.there(profile) {
		return access.Principal{}, unknown(id)
	}
	return profile.Principal, err
}

// there reports whether somebody of whom a source has told is there now.
func (d *Directory) there(p access.Profile) bool {
	return p.GoneAt.IsZero() && (d.config.Sources == nil || slices.Contains(d.config.Sources, p.ID.Issuer))
}

func unknown(id access.PrincipalID) error {
	return access.Errorf(access.KindNotFound, "The principal %s is not in the directory.", id)
}

// Members lists the principals that a selector of a policy stands for, in order of their keys.
func (d *Directory) Members(ctx context.Context, selector policy.Selector) ([]access.Principal, error) {
	list, ok := d.members.Load(selector)
	if !ok {
		list, _ = d.members.LoadOrStore(selector, d.listed(selector))
	}
	members := slices.Clone(list.([]access.Principal))
	if d.config.Store == nil {
		return members, nil
	}
	told, err := d.told(ctx, selector)
	if err != nil {
		return nil, err
	}
	members = append(members, told...)
	slices.SortFunc(members, func(a, b access.Principal) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return members, nil
}

// listed are the principals of the configuration that a selector stands for.
func (d *Directory) listed(selector policy.Selector) []access.Principal {
	var out []access.Principal
	for _, p := range d.principals {
		if selector.Matches(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b access.Principal) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return out
}

// maxMembers is how many principals a selector may stand for, of those that sources of identities tell of.
const maxMembers = 10_000

// told are the principals that sources of identities tell of, and that a selector stands for.
func (d *Directory) told(ctx context.Context, selector policy.Selector) (out []access.Principal, err error) {
	if id, ok := strings.CutPrefix(string(selector), "principal:"); ok {
		return d.toldOf(ctx, id)
	}
	filter := store.ProfileFilter{}
	if group, ok := strings.CutPrefix(string(selector), "group:"); ok {
		if strings.HasPrefix(group, access.StaticIssuer+"/") {
			return nil, nil // which no source but the configuration has
		}
		filter.Group = group
	}
	if person, ok := strings.CutPrefix(string(selector), "person:"); ok {
		filter.Person = access.PersonID(person)
	}
	page := store.Page{Limit: 1000}
	for {
		var profiles []access.Profile
		err := d.config.Store.View(ctx, func(tx store.Tx) (err error) {
			profiles, page.After, err = tx.Profiles().List(d.config.Tenant, filter, page)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range profiles {
			if d.there(p) && selector.Matches(p.Principal) {
				out = append(out, p.Principal)
			}
		}
		switch {
		case len(out) > maxMembers:
			return nil, access.Errorf(access.KindMisconfigured, "%q stands for more than %d people; name a smaller group.", selector, maxMembers)
		case page.After == "":
			return out, nil
		}
	}
}

// toldOf is told of one principal by its name.
func (d *Directory) toldOf(ctx context.Context, name string) ([]access.Principal, error) {
	id, may := toldID(name)
	if !may {
		return nil, nil
	}
	p, err := d.Principal(ctx, id)
	if access.KindOf(err) == access.KindNotFound {
		return nil, nil
	}
	return []access.Principal{p}, err
}

// toldID reads a name, and reports whether a source may have told of it: what is no name names nobody.
func toldID(name string) (id access.PrincipalID, may bool) {
	id, err := access.ParsePrincipalID(name)
	return id, err == nil && id.Issuer != access.StaticIssuer
}

// HasRole reports whether one of the role's selectors stands for the principal. Only humans have roles: what acts for
// somebody does not administer Curfew.
func (d *Directory) HasRole(p access.Principal, r access.Role) bool {
	return p.Kind == access.Human && slices.ContainsFunc(d.config.Roles[r], func(s policy.Selector) bool { return s.Matches(p) })
}

// Limits say when sessions end.
func (d *Directory) Limits() Limits { return d.config.Limits }
