package oidc

import (
	"context"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/curfewhq/curfew/internal/access"
)

// KeptFor is how long Curfew goes by what a provider has said of itself, its keys included. A token under a key that Curfew has
// not seen has it ask for the keys at once, unless it was led to ask too often (pace); one under a key that the provider has withdrawn is believed for so long at most.
const KeptFor = time.Hour

// endpoints are what a provider says of itself.
type endpoints struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	// named says that its answers name it (RFC 9207).
	named bool
	// endSession is the page at which people end their session there; empty where it has none.
	endSession string
	// until is how long Curfew goes by it.
	until time.Time
}

// discover asks the provider where everything is (OpenID Connect Discovery 1.0), unless it has said so lately.
func (p *Provider) discover(ctx context.Context) (*endpoints, error) {
	now := p.config.Now()
	if found := p.found.Load(); found != nil && now.Before(found.until) {
		return found, nil
	}
	// The keys are fetched again whenever a token has one that is not known, so the context must not end with this call.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.asking), p.config.Issuer)
	if err != nil {
		return nil, access.Wrap(access.KindUnavailable, err, "The identity provider does not answer as one; try again, or sign in with a token.")
	}
	var more struct {
		Named      bool   `json:"authorization_response_iss_parameter_supported"`
		EndSession string `json:"end_session_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, access.Wrap(access.KindUnavailable, err, "What the identity provider says of itself cannot be read.")
	}
	at := &endpoints{
		oauth: oauth2.Config{
			ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, RedirectURL: p.config.Redirect, Endpoint: found.Endpoint(),
			Scopes: slices.Compact(append([]string{oidc.ScopeOpenID, "profile"}, p.config.Scopes...)),
		},
		verifier: found.Verifier(&oidc.Config{ClientID: p.config.ClientID, Now: p.config.Now}),
		named:    more.Named, endSession: more.EndSession, until: now.Add(KeptFor),
	}
	p.found.Store(at)
	return at, nil
}
