package oidc

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
)

// Claims says which claims of an ID token are what.
type Claims struct {
	// Groups is the claim that has the groups. A token in which it is empty is of somebody without groups.
	Groups string
	// NoGroups says that a token without that claim is one of somebody without groups. Otherwise nobody can tell what groups
	// they have, and they are not signed in.
	NoGroups bool
	// Attributes are the claims to keep, by the names of the attributes that they become. A claim that is not there gives no
	// attribute.
	Attributes map[string]string
	// Match is the claim by which another source finds the account; empty where accounts are the provider's own.
	Match string
}

// account reads what a token says of somebody.
func (c Claims) account(token *oidc.IDToken) (identity.Account, error) {
	claims := map[string]json.RawMessage{}
	if err := token.Claims(&claims); err != nil {
		return identity.Account{}, refused(err, "its ID token cannot be read")
	}
	a := identity.Account{Subject: token.Subject, Attributes: map[string]string{}}
	if err := checkText("sub", a.Subject, identity.MaxSubject); err != nil || a.Subject == "" {
		return identity.Account{}, refused(err, "its ID token names nobody")
	}
	for _, claim := range []string{"name", "preferred_username", "email"} {
		if a.Name == "" {
			a.Name, _ = text(claims, claim) // it is for people to read, and may be missing
		}
	}
	var err error
	if a.Session, err = text(claims, "sid"); err == nil {
		err = checkText("sid", a.Session, identity.MaxSession)
	}
	if err != nil {
		return identity.Account{}, refused(err, "its ID token has no proper name of the session there")
	}
	if a.Groups, err = c.groups(claims); err != nil {
		return identity.Account{}, err
	}
	if a.Match, err = c.match(claims); err != nil {
		return identity.Account{}, err
	}
	for attribute, claim := range c.Attributes {
		value, err := text(claims, claim)
		if err != nil {
			return identity.Account{}, access.Wrap(access.KindMisconfigured, err, "What the identity provider says of you cannot be used: "+err.Error())
		}
		if value != "" {
			a.Attributes[attribute] = value
		}
	}
	return a, nil
}

// match reads the claim by which another source finds the account. An address that the provider has not checked is whatever its
// owner has typed.
func (c Claims) match(claims map[string]json.RawMessage) (string, error) {
	if c.Match == "" {
		return "", nil
	}
	value, err := text(claims, c.Match)
	verified := string(claims["email_verified"])
	switch {
	case err != nil:
		return "", access.Wrap(access.KindMisconfigured, err, "What the identity provider says of you cannot be used: "+err.Error())
	case value == "":
		return "", access.Errorf(access.KindMisconfigured, "The identity provider does not say who you are in the directory: its token has no claim %.64q. Have it sent.", c.Match)
	case c.Match == "email" && verified != "true" && verified != `"true"`:
		return "", access.Errorf(access.KindDenied, "The identity provider has not checked your e-mail address, so it does not show who you are.")
	}
	return value, nil
}

// groups reads the claim of groups: a list, or the one.
func (c Claims) groups(claims map[string]json.RawMessage) ([]string, error) {
	raw, there := claims[c.Groups]
	if !there || string(raw) == "null" {
		switch {
		case elsewhere(claims, c.Groups):
			return nil, access.Errorf(access.KindMisconfigured, "You have more groups than the identity provider writes into a token; have it send only those that Curfew needs.")
		case !c.NoGroups:
			return nil, access.Errorf(access.KindMisconfigured, "The identity provider does not say which groups you have: its token has no claim %.64q. Have it sent, or set groups_absent: none.", c.Groups)
		}
		return nil, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		var one string
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, access.Errorf(access.KindMisconfigured, "The claim %.64q of the identity provider's token is no list of names.", c.Groups)
		}
		list = []string{one}
	}
	if len(list) > identity.MaxGroups {
		return nil, access.Errorf(access.KindMisconfigured, "You have %d groups, and at most %d can be kept; have the identity provider send only those that Curfew needs.", len(list), identity.MaxGroups)
	}
	for _, name := range list {
		if err := checkText(c.Groups, name, identity.MaxText); err != nil || name == "" {
			return nil, access.Errorf(access.KindMisconfigured, "The claim %.64q of the identity provider's token has the name of a group in it that cannot be one.", c.Groups)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// elsewhere reports whether the claim is left out of the token because it is to be fetched: a distributed or aggregated claim
// (OpenID Connect Core 1.0, section 5.6.2), as Microsoft's groups are when there are many.
func elsewhere(claims map[string]json.RawMessage, claim string) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(claims["_claim_names"], &names) // what is no object names nothing
	_, there := names[claim]
	return there
}

// text reads a claim that is a text; one that is not there is empty.
func text(claims map[string]json.RawMessage, claim string) (value string, err error) {
	raw, there := claims[claim]
	if !there || string(raw) == "null" {
		return "", nil
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		return "", fmt.Errorf("the claim %.64q is no text", claim)
	}
	if err := checkText(claim, value, identity.MaxText); err != nil {
		return "", err
	}
	return value, nil
}

// checkText refuses what no directory would have in a name.
func checkText(claim, value string, most int) error {
	if len(value) > most {
		return fmt.Errorf("the claim %.64q has more than %d bytes", claim, most)
	}
	if !identity.Showable(value) {
		return fmt.Errorf("the claim %.64q has characters that cannot be shown", claim)
	}
	return nil
}
