// Package oidc signs people in at an OpenID provider, with the authorization code flow and PKCE (OpenID Connect Core 1.0,
// RFC 6749, RFC 7636).
//
// It owns what is sent to the provider and what is believed of its answers. It does not own sessions, nor who the person is
// to Curfew.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
)

// Config says how to reach a provider, and what of its tokens means what.
type Config struct {
	// Issuer is the provider's address, as its tokens have it.
	Issuer string
	// ClientID and ClientSecret are Curfew's own at the provider; a public client has no secret.
	ClientID, ClientSecret string
	// Redirect is where the provider sends people back to.
	Redirect string
	// Scopes are asked for besides openid and profile.
	Scopes []string
	Claims Claims
	// HTTP calls the provider. It bounds each call and every answer.
	HTTP *http.Client
	// Now is the time by which tokens are judged.
	Now func() time.Time
}

// Provider is an OpenID provider. It is safe for concurrent use.
type Provider struct {
	config Config
	// asking is the client that asks what the provider says of itself.
	asking *http.Client

	// found is what the provider has said of itself last; nil before it has.
	found atomic.Pointer[endpoints]
}

// New makes a Provider. Nothing is called before somebody signs in, so that Curfew starts without it.
func New(c Config) *Provider { return &Provider{config: c, asking: paced(*c.HTTP, c.Now)} }

// Begin implements identity.Provider.
func (p *Provider) Begin(ctx context.Context) (a identity.Attempt, page string, err error) {
	at, err := p.discover(ctx)
	if err != nil {
		return a, "", err
	}
	// All three are 32 random bytes; GenerateVerifier is how RFC 7636 writes them.
	a = identity.Attempt{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	return a, at.oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), nil
}

// Finish implements identity.Provider. A token that does not verify is access.KindUnauthenticated.
func (p *Provider) Finish(ctx context.Context, a identity.Attempt, answer url.Values) (identity.Account, error) {
	at, err := p.discover(ctx)
	if err != nil {
		return identity.Account{}, err
	}
	if err := p.checkAnswer(a, answer, at.named); err != nil {
		return identity.Account{}, err
	}
	ctx = oidc.ClientContext(ctx, p.config.HTTP)
	tokens, err := at.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return identity.Account{}, exchangeError(err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return identity.Account{}, refused(nil, "it gave no ID token")
	}
	token, err := at.verifier.Verify(ctx, raw)
	if err != nil {
		return identity.Account{}, refused(err, "its ID token does not verify")
	}
	if err := p.checkToken(a, token, tokens.AccessToken); err != nil {
		return identity.Account{}, err
	}
	return p.config.Claims.account(token)
}

// checkAnswer holds what a browser brings back against the attempt.
func (p *Provider) checkAnswer(a identity.Attempt, answer url.Values, named bool) error {
	for name, values := range answer {
		if len(values) > 1 {
			return access.Errorf(access.KindUnauthenticated, "The answer of the identity provider has %.32q twice; sign in again.", name)
		}
	}
	issuer := answer.Get("iss")
	switch {
	case a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(answer.Get("state"))) != 1:
		return access.Errorf(access.KindUnauthenticated, "This answer of the identity provider is not to a sign-in that this browser began; sign in again.")
	case named && issuer != p.config.Issuer, issuer != "" && issuer != p.config.Issuer:
		return access.Errorf(access.KindUnauthenticated, "The answer is another identity provider's; sign in again.")
	case answer.Get("error") != "":
		return access.Errorf(access.KindDenied, "The identity provider did not sign you in: %s", said(answer))
	case answer.Get("code") == "":
		return access.Errorf(access.KindUnauthenticated, "The answer of the identity provider has no code; sign in again.")
	}
	return nil
}

// said is what the provider says of an error, quoted and bounded: it comes through the browser.
func said(answer url.Values) string {
	text := fmt.Sprintf("%.64q", answer.Get("error"))
	if more := answer.Get("error_description"); more != "" {
		text += fmt.Sprintf(" (%.200q)", more)
	}
	return text
}

// checkToken holds a token that the provider has signed against the attempt (OpenID Connect Core 1.0, section 3.1.3.7).
func (p *Provider) checkToken(a identity.Attempt, token *oidc.IDToken, accessToken string) error {
	var claims struct {
		AuthorizedParty string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return refused(err, "its ID token cannot be read")
	}
	switch {
	case a.Nonce == "" || subtle.ConstantTimeCompare([]byte(a.Nonce), []byte(token.Nonce)) != 1:
		return refused(nil, "its ID token is of another sign-in")
	case len(token.Audience) > 1 && claims.AuthorizedParty != p.config.ClientID, claims.AuthorizedParty != "" && claims.AuthorizedParty != p.config.ClientID:
		return refused(nil, "its ID token was made for another program")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(accessToken) != nil:
		return refused(nil, "its ID token and its access token do not belong together")
	}
	return nil
}

// exchangeError tells a code that is no longer good from a provider that does not work. The answer is not repeated.
func exchangeError(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.ErrorCode == "invalid_grant" {
		return refused(nil, "its code is used or too old")
	}
	return access.Wrap(access.KindUnavailable, errors.New("the exchange of the code failed"), "The identity provider did not answer for the code; sign in again.")
}

func refused(cause error, why string) error {
	if cause == nil {
		cause = errors.New(why)
	}
	return access.Wrap(access.KindUnauthenticated, cause, "The identity provider's answer is not believed: "+why+"; sign in again.")
}
