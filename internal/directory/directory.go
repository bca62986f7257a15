// Package directory knows who is who: principals, their groups and persons, their tokens, and their roles.
//
// It owns looking a principal up, by key and by bearer token, and what a selector of people stands for. It does not own
// where principals come from: so far they come from the configuration alone. It decides nothing.
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
)

// Entry is one principal with its bearer token, or none.
type Entry struct {
	Principal access.Principal
	Token     string
	// Void says that the token was good once and is so no more.
	Void bool
}

// Directory is an immutable set of principals. It is safe for concurrent use.
type Directory struct {
	principals map[access.PrincipalID]access.Principal
	// tokens are looked up by SHA-256: the time that a look-up takes tells nothing about a token.
	tokens map[[sha256.Size]byte]holder
	roles  map[access.Role][]policy.Selector
	// members keeps the answers of Members by selector: who asks are policies, so there are few, and they ask again with
	// every request.
	members sync.Map
}

// holder is whose a token is, or was.
type holder struct {
	id   access.PrincipalID
	void bool
}

// New makes a directory. Two principals with one token are refused.
func New(entries []Entry, roles map[access.Role][]policy.Selector) (*Directory, error) {
	d := &Directory{
		principals: make(map[access.PrincipalID]access.Principal, len(entries)),
		tokens:     make(map[[sha256.Size]byte]holder, len(entries)),
		roles:      maps.Clone(roles),
	}
	for _, e := range entries {
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

// Authenticate finds the principal that a bearer token belongs to.
func (d *Directory) Authenticate(_ context.Context, token string) (access.Principal, error) {
	h, ok := d.tokens[sha256.Sum256([]byte(token))]
	switch {
	case !ok:
		return access.Principal{}, access.Errorf(access.KindUnauthenticated, "The token is not known here; check CURFEW_TOKEN.")
	case h.void:
		return access.Principal{}, access.Errorf(access.KindUnauthenticated, "This token is void since the store was restored from a backup; ask who administers Curfew to give %s a new one.", h.id.Subject)
	}
	return d.principals[h.id], nil
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

// Principal finds a principal as it is now.
func (d *Directory) Principal(_ context.Context, id access.PrincipalID) (access.Principal, error) {
	p, ok := d.principals[id]
	if !ok {
		return access.Principal{}, access.Errorf(access.KindNotFound, "The principal %s is not in the directory.", id)
	}
	return p, nil
}

// Members lists the principals that a selector of a policy stands for, in order of their keys.
func (d *Directory) Members(_ context.Context, selector policy.Selector) ([]access.Principal, error) {
	list, ok := d.members.Load(selector)
	if !ok {
		list, _ = d.members.LoadOrStore(selector, d.find(selector))
	}
	return slices.Clone(list.([]access.Principal)), nil
}

func (d *Directory) find(selector policy.Selector) []access.Principal {
	var out []access.Principal
	for _, p := range d.principals {
		if selector.Matches(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b access.Principal) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return out
}

// HasRole reports whether one of the role's selectors stands for the principal. Only humans have roles: what acts for
// somebody does not administer Curfew.
func (d *Directory) HasRole(p access.Principal, r access.Role) bool {
	return p.Kind == access.Human && slices.ContainsFunc(d.roles[r], func(s policy.Selector) bool { return s.Matches(p) })
}
