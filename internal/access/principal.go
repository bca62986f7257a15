package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// StaticIssuer is the issuer of principals, and the source of groups, that the configuration itself lists. A bare id
// or group in a configuration means this issuer.
const StaticIssuer = "static"

// PrincipalID is the key of a principal. It is compared as a whole and exactly; e-mail addresses and names are
// attributes, never keys.
type PrincipalID struct {
	Issuer  string
	Subject string
}

// String is ISSUER/SUBJECT with "%" and "/" of the subject percent-encoded, so that the last slash ends the issuer.
func (p PrincipalID) String() string {
	if p == (PrincipalID{}) {
		return ""
	}
	return p.Issuer + "/" + subjectEscaper.Replace(p.Subject)
}

// IsZero reports whether p names nobody.
func (p PrincipalID) IsZero() bool { return p == PrincipalID{} }

var (
	subjectEscaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	subjectUnescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// ParsePrincipalID reads what String writes; a text without a slash is a subject of StaticIssuer.
func ParsePrincipalID(s string) (PrincipalID, error) {
	if s == "" || len(s) > 512 {
		return PrincipalID{}, fmt.Errorf("a principal has 1 to 512 bytes, not %d", len(s))
	}
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return PrincipalID{Issuer: StaticIssuer, Subject: subjectUnescaper.Replace(s)}, nil
	}
	if i == 0 || i == len(s)-1 {
		return PrincipalID{}, fmt.Errorf("principal %q: want ISSUER/SUBJECT", s)
	}
	return PrincipalID{Issuer: s[:i], Subject: subjectUnescaper.Replace(s[i+1:])}, nil
}

// MarshalText makes PrincipalID a string in JSON.
func (p PrincipalID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (p *PrincipalID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = PrincipalID{}
		return nil
	}
	id, err := ParsePrincipalID(string(b))
	if err != nil {
		return err
	}
	*p = id
	return nil
}

// PrincipalKind says what acts.
type PrincipalKind string

// The kinds of principal.
const (
	Human   PrincipalKind = "human"
	Service PrincipalKind = "service"
	Agent   PrincipalKind = "agent"
)

// Principal is who acts. It is never edited by itself.
type Principal struct {
	ID     PrincipalID   `json:"id"`
	Kind   PrincipalKind `json:"kind"`
	Person PersonID      `json:"person"`
	Name   string        `json:"name,omitempty"`
	// Groups are SOURCE/NAME, sorted. Empty means none; there is no default to fall back to.
	Groups []string `json:"groups"`
	// Attributes come from the directory; rules for accounts read them.
	Attributes map[string]string `json:"attributes,omitempty"`
	// ActsFor is the human for whom an agent acts. An agent is never wider than that human and never reviews.
	ActsFor PrincipalID `json:"acts_for,omitzero"`
	// Manager is the human to whom the principal reports, an agent's like that of its human; zero means that the directory
	// names none.
	Manager PrincipalID `json:"manager,omitzero"`
}

// InGroup reports whether the principal is a member of the group SOURCE/NAME.
func (p Principal) InGroup(group string) bool {
	for _, g := range p.Groups {
		if g == group {
			return true
		}
	}
	return false
}

// Equal reports whether both are the same principal, of whom the same is known.
func (p Principal) Equal(other Principal) bool {
	return p.ID == other.ID && p.Kind == other.Kind && p.Person == other.Person && p.Name == other.Name && p.ActsFor == other.ActsFor && p.Manager == other.Manager &&
		slices.Equal(p.Groups, other.Groups) && maps.Equal(p.Attributes, other.Attributes)
}

// WhoActs is how people read who acts: a principal, and of an agent the human for whom it acts.
func WhoActs(principal, actsFor string) string {
	if actsFor == "" {
		return principal
	}
	return "agent " + principal + " for " + actsFor
}

// Role is what a principal may do to Curfew itself, as opposed to what it may reach through Curfew.
type Role string

// The roles. Reviewers are not a role: policies name them.
const (
	RoleAdmin   Role = "admin"
	RoleAuditor Role = "auditor"
)
