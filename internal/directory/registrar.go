package directory

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/store"
)

// Enter writes an audit entry in the transaction under way.
type Enter = func(access.Event) error

// Books change what is kept.
type Books interface {
	// Change runs fn in one transaction, with the audit entries that it enters. fn may run more than once.
	Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error
}

// PersonPrefix begins the name of a person that nobody has named: of the first principal of theirs that a source has told of.
const PersonPrefix = "pe_"

// toldStep is how old a profile may be before it is written again though nothing has changed.
const toldStep = 24 * time.Hour

// Registrar keeps what sources of identities tell, who has signed in, and which tokens were made. It is safe for concurrent
// use.
type Registrar struct {
	books  Books
	ids    access.IDs
	tenant access.TenantID
	// directory is the one in force.
	directory func() *Directory
}

// NewRegistrar makes a Registrar beside the directory in force, which has a store.
func NewRegistrar(books Books, ids access.IDs, tenant access.TenantID, directory func() *Directory) *Registrar {
	return &Registrar{books: books, ids: ids, tenant: tenant, directory: directory}
}

// Tell keeps what a source says of an account now, in the caller's transaction. If something changes by that, what its person
// has is decided again after the commit (engine.ReconsiderPeople).
func (r *Registrar) Tell(tx store.Tx, enter Enter, source string, a identity.Account) (access.Profile, error) {
	told := principalOf(source, a)
	p, err := tx.Profiles().Get(r.tenant, told.ID)
	switch {
	case access.KindOf(err) == access.KindNotFound:
		return r.welcome(tx, enter, told)
	case err != nil:
		return p, err
	}
	told.Person = p.Person
	if p.Equal(told) && p.GoneAt.IsZero() {
		if tx.Now().Sub(p.ToldAt) < toldStep {
			return p, nil
		}
		p.ToldAt = tx.Now()
		return r.put(tx, p)
	}
	kind := access.EventPrincipalChanged
	if !p.GoneAt.IsZero() {
		kind = access.EventPrincipalReturned
	}
	before := p.Principal
	p.Principal, p.ToldAt, p.GoneAt = told, tx.Now(), time.Time{}
	undecided(&p, tx.Now())
	if p, err = r.put(tx, p); err != nil {
		return p, err
	}
	return p, enter(access.Event{
		Kind: kind, Subject: p.ID, Person: p.Person, Detail: map[string]string{"source": source}, Personal: difference(before, told),
	})
}

// principalOf is what a source says of somebody, but for the person.
func principalOf(source string, a identity.Account) access.Principal {
	p := access.Principal{
		ID: access.PrincipalID{Issuer: source, Subject: a.Subject}, Kind: access.Human, Name: a.Name,
		Groups: groupsOf(source, a.Groups), Attributes: maps.Clone(a.Attributes),
	}
	if a.Manager != "" {
		p.Manager = access.PrincipalID{Issuer: source, Subject: a.Manager}
	}
	return p
}

// welcome keeps an account that a source tells of for the first time, as a person of its own.
func (r *Registrar) welcome(tx store.Tx, enter Enter, told access.Principal) (access.Profile, error) {
	told.Person = access.PersonID(r.ids.New(PersonPrefix))
	p, err := r.put(tx, access.Profile{
		ProfileID: access.ProfileID(r.ids.New(access.ProfilePrefix)), Tenant: r.tenant, Principal: told, ToldAt: tx.Now(),
	})
	if err != nil {
		return p, err
	}
	return p, enter(access.Event{
		Kind: access.EventPrincipalAdded, Subject: p.ID, Person: p.Person, Detail: map[string]string{"source": told.ID.Issuer},
		Personal: difference(access.Principal{}, told),
	})
}

// Gone says that a source has an account no more, in the caller's transaction: all sessions and tokens of its person end with
// it, and after the commit what they have is decided again, which takes it back. What is gone already, or was never there, is
// no error.
func (r *Registrar) Gone(tx store.Tx, enter Enter, id access.PrincipalID) error {
	p, err := tx.Profiles().Get(r.tenant, id)
	if err != nil || !p.GoneAt.IsZero() {
		if access.KindOf(err) == access.KindNotFound {
			return nil
		}
		return err
	}
	p.GoneAt, p.ToldAt = tx.Now(), tx.Now()
	undecided(&p, tx.Now())
	if p, err = r.put(tx, p); err != nil {
		return err
	}
	ended, err := tx.Sessions().DeleteOf(r.tenant, p.Person)
	if err != nil {
		return err
	}
	return enter(access.Event{
		Kind: access.EventPrincipalGone, Subject: p.ID, Person: p.Person,
		Detail: map[string]string{"source": id.Issuer, "sessions": count(ended)},
	})
}

func (r *Registrar) put(tx store.Tx, p access.Profile) (access.Profile, error) {
	err := tx.Profiles().Put(p)
	p.Version++
	return p, err
}

// undecided notes that something changed. What waits to be decided since before waits since then.
func undecided(p *access.Profile, now time.Time) {
	if p.UndecidedSince.IsZero() {
		p.UndecidedSince = now
	}
}

// groupsOf are the groups of a source as policies name them.
func groupsOf(source string, names []string) []string {
	groups := make([]string, len(names))
	for i, name := range names {
		groups[i] = source + "/" + name
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// maxTold is how much of a list an audit entry has.
const maxTold = 4096

// difference says in an audit entry what changed of somebody.
func difference(before, now access.Principal) map[string]string {
	d := map[string]string{}
	if before.Name != now.Name {
		d["name"] = now.Name
	}
	if before.Manager != now.Manager {
		d["manager"] = now.Manager.String()
	}
	d["groups_joined"] = without(now.Groups, before.Groups)
	d["groups_left"] = without(before.Groups, now.Groups)
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(merged(before.Attributes, now.Attributes))) {
		if before.Attributes[key] != now.Attributes[key] {
			changed = append(changed, key+"="+now.Attributes[key])
		}
	}
	d["attributes"] = list(changed)
	maps.DeleteFunc(d, func(_, v string) bool { return v == "" })
	return d
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(b)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a)
	return all
}

// without are the elements of a that b, which is sorted, lacks.
func without(a, b []string) string {
	var rest []string
	for _, one := range a {
		if _, there := slices.BinarySearch(b, one); !there {
			rest = append(rest, one)
		}
	}
	return list(rest)
}

// list is a list in words, cut off where it gets long.
func list(words []string) string {
	text := strings.Join(words, " ")
	if len(text) > maxTold {
		text = strings.ToValidUTF8(text[:maxTold], "") + " …"
	}
	return text
}
