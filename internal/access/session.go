package access

import "time"

// SessionID names a session.
type SessionID string

// Session is a sign-in that lasts: whoever has its token is its principal until it ends.
type Session struct {
	ID        SessionID
	Tenant    TenantID
	Principal PrincipalID
	// Person is whose session it is, so that all that somebody has end together.
	Person PersonID
	// Label is by which people tell their sessions apart.
	Label     string
	CreatedAt time.Time
	// UsedAt is when the token was last seen, to the minute or so.
	UsedAt time.Time
	// EndsAt is when it ends, however much it is used.
	EndsAt time.Time
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
	GoneAt  time.Time
	Version int64
}
