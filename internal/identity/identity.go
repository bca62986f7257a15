// Package identity is the contract with the places that know people: what such a source says of somebody.
//
// It owns the words. It does not own how a source is asked (internal/identity/*), nor what follows from what it says
// (internal/directory).
package identity

import (
	"context"
	"net/url"
	"time"
)

// Provider signs people in: it sends their browser to a page of its own, and takes the answer with which that sends them back.
// It is safe for concurrent use.
type Provider interface {
	// Begin makes an attempt, and the address of the page for it.
	Begin(ctx context.Context) (a Attempt, page string, err error)
	// Finish takes the answer. One that is not to this attempt is access.KindUnauthenticated.
	Finish(ctx context.Context, a Attempt, answer url.Values) (Account, error)

	// EndPage is the address of the page at which somebody ends their session at the provider. The page leads back to the
	// address back, with the state. A provider without such a page is access.KindNotFound.
	EndPage(ctx context.Context, back, state string) (page string, err error)
	// Ended takes what the provider tells Curfew itself of sessions that have ended there. What is not the provider's word, or
	// not to Curfew, or too old, is access.KindUnauthenticated.
	Ended(ctx context.Context, token string) (Ended, error)
}

// Ended is a provider's word that sessions at it have ended.
type Ended struct {
	// ID tells it from every other one of the provider's, so that it is acted on once, and Until says how long it is good.
	ID    string
	Until time.Time
	// Subject is whose sessions, and Session which one. One of the two may be empty: all of that subject, or that one whoever's
	// it is.
	Subject, Session string
}

// Attempt is a sign-in under way. Whoever began it keeps it, where only their browser brings it back.
type Attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

// Bounds of what a source may say of one person. More is refused, never cut off: half the groups are other groups.
const (
	MaxSubject = 255 // bytes; OpenID Connect Core 1.0, section 2
	MaxSession = 255
	MaxText    = 1024
	MaxGroups  = 2000
)

// Account is what a source says of somebody at this moment.
type Account struct {
	// Subject is who it is, for ever: no other account of the source has ever had it or will have it.
	Subject string
	// Name is for people to read.
	Name string
	// Groups are their names at the source. None means none.
	Groups []string
	// Attributes are what the configuration asks for, by the names that it gives them.
	Attributes map[string]string
	// Manager is the Subject, at the same source, of whom they report to; empty where it names nobody.
	Manager string
	// Session is what the source calls the session of its own in which they have signed in; empty where it has no name for it.
	Session string
	// Match is what another source knows the account by, where the configuration says that they are that source's.
	Match string
}
