package access

import (
	"slices"
	"time"
)

// WorkloadIssuer is the issuer of the rules by which workloads are trusted, where a session names who it is of. No source of
// identities has its name.
const WorkloadIssuer = "workload"

// WorkloadRule names a rule by which workloads are trusted.
func WorkloadRule(name string) PrincipalID { return PrincipalID{Issuer: WorkloadIssuer, Subject: name} }

// SessionID names a session.
type SessionID string

// SessionKind says how a session came about.
type SessionKind string

// The kinds of session.
const (
	// SessionSignIn is of somebody who has signed in. It ends too when it is not used for a while.
	SessionSignIn SessionKind = "sign-in"
	// SessionBrowser is of somebody who has signed in to Curfew's own pages, and of the browser that they did it with. It ends as
	// that of a program does.
	SessionBrowser SessionKind = "browser"
	// SessionToken is of a token that somebody had made, for a program. It ends when it was said to.
	SessionToken SessionKind = "token"
	// SessionWorkload is of a workload that has shown a token of its own platform.
	SessionWorkload SessionKind = "workload"
)

// IsSignIn reports whether a session of the kind is of somebody who has signed in, and so ends when it is not used for a while, and
// with the session at the identity provider that it came of.
func (k SessionKind) IsSignIn() bool { return k == SessionSignIn || k == SessionBrowser }

// Scope is a part of what a principal may do, to which a token can be confined.
type Scope string

// The scopes.
const (
	// ScopeRead reads what the principal may see.
	ScopeRead Scope = "read"
	// ScopeRequest asks for access, gives it back, extends it and takes requests back.
	ScopeRequest Scope = "request"
	// ScopeCredential opens credentials of the principal's own grants.
	ScopeCredential Scope = "credential"
	// ScopeReview approves and denies.
	ScopeReview Scope = "review"
	// ScopeAdmin is all that needs a role, and making tokens.
	ScopeAdmin Scope = "admin"
)

// Scopes lists all scopes.
func Scopes() []Scope {
	return []Scope{ScopeRead, ScopeRequest, ScopeCredential, ScopeReview, ScopeAdmin}
}

// Session is a sign-in that lasts: whoever has its token is its principal until it ends.
type Session struct {
	ID        SessionID
	Tenant    TenantID
	Kind      SessionKind
	Principal PrincipalID
	// Person is whose session it is, so that all that somebody has end together.
	Person PersonID
	// Scopes are what it is confined to. None confines it to nothing: it may do all that its principal may.
	Scopes []Scope
	// IssuedBy is who had the token made, or the rule by which a workload is trusted (WorkloadRule); zero for who has signed in.
	IssuedBy PrincipalID
	// ProviderSession is what the identity provider calls the session of its own in which they signed in, by which it says later
	// that this one ends too. It is empty where the provider has no name for it.
	ProviderSession string
	// Label is by which people tell their sessions apart.
	Label     string
	CreatedAt time.Time
	// UsedAt is when the token was last seen, to the minute or so.
	UsedAt time.Time
	// EndsAt is when it ends, however much it is used.
	EndsAt time.Time
}

// May reports whether the session is good for what the scope covers.
func (s Session) May(scope Scope) bool {
	return len(s.Scopes) == 0 || slices.Contains(s.Scopes, scope)
}

// ProfileID names a profile.
type ProfileID string

// Profile is a principal as a source of identities has told of it last.
type Profile struct {
	ProfileID ProfileID
	Tenant    TenantID
	Principal
	// ToldAt is when the source did.
	ToldAt time.Time
	// GoneAt is when the source said that they are there no more; zero while they are.
	GoneAt time.Time
	// UndecidedSince is when something changed after which what the person has was not decided again; zero when all was.
	UndecidedSince time.Time
	// Formerly are the persons that the principal was of, before it was linked with others or told apart from them, oldest first.
	Formerly []PersonID
	Version  int64
}

// Caller is who makes a call. Its Session is zero when the token is one of the configuration.
type Caller struct {
	Principal
	Session Session
}
