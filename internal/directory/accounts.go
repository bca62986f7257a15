package directory

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// SubjectAttribute stands, where an attribute is named, for what a source knows somebody by for ever.
const SubjectAttribute = "id"

// Accounts say whom a provider signs in that keeps no people of its own here.
type Accounts struct {
	// Of is the source that they are of, which has their groups and says when they leave.
	Of string
	// Attribute is what the provider's word must equal: SubjectAttribute, or one of the source's attributes.
	Attribute string
}

// errNobody is the refusal of somebody whom the source does not have.
var errNobody = access.Errorf(access.KindDenied, "You are signed in at the identity provider, but the directory that Curfew goes by does not have you, or not any more. Ask who administers Curfew.")

// ownerOf finds out whose a sign-in is. What it returns is called in the transaction that begins the session.
func (r *Registrar) ownerOf(ctx context.Context, in SignIn) (func(store.Tx, Enter) (access.Profile, error), error) {
	of, elsewhere := r.directory().config.Accounts[in.Source]
	if !elsewhere {
		return func(tx store.Tx, enter Enter) (access.Profile, error) {
			if err := r.refuseOver(tx, in); err != nil {
				return access.Profile{}, err
			}
			return r.Tell(tx, enter, in.Source, in.Account)
		}, nil
	}
	if in.Account.Match == "" {
		return nil, errNobody
	}
	id, err := r.accountOf(ctx, of, in.Account.Match)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, _ Enter) (access.Profile, error) {
		if err := r.refuseOver(tx, in); err != nil {
			return access.Profile{}, err
		}
		p, err := tx.Profiles().Get(r.tenant, id)
		if access.KindOf(err) == access.KindNotFound || err == nil && !of.fits(p, in.Account.Match) {
			return p, errNobody // who was it a moment ago
		}
		return p, err
	}, nil
}

// accountOf finds the one principal of the source that has the value.
func (r *Registrar) accountOf(ctx context.Context, of Accounts, value string) (access.PrincipalID, error) {
	if of.Attribute == SubjectAttribute {
		return access.PrincipalID{Issuer: of.Of, Subject: value}, nil
	}
	known, err := r.profilesOf(ctx, of.Of)
	if err != nil {
		return access.PrincipalID{}, err
	}
	var found []access.PrincipalID
	for _, p := range known {
		if of.fits(p, value) {
			found = append(found, p.ID)
		}
	}
	switch len(found) {
	case 0:
		return access.PrincipalID{}, errNobody
	case 1:
		return found[0], nil
	}
	return access.PrincipalID{}, access.Errorf(access.KindDenied, "The directory has several people with the same %.64q as you, so nobody can tell which of them you are. Ask who administers Curfew.", of.Attribute)
}

// fits reports whether the profile is there and is the one that the value means.
func (a Accounts) fits(p access.Profile, value string) bool {
	has := p.Attributes[a.Attribute]
	if a.Attribute == SubjectAttribute {
		has = p.ID.Subject
	}
	return p.GoneAt.IsZero() && has != "" && has == value
}
