package oidc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
)

const (
	// logoutAge is how old a logout token may be, whatever it says itself: Curfew remembers for so long which it has seen.
	logoutAge = 10 * time.Minute
	// skew is by how much the provider's clock may be ahead.
	skew = 2 * time.Minute
	// maxTokenID bounds the name of a logout token, in bytes.
	maxTokenID = 255
	// logoutEvent is what a logout token is about.
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// EndPage implements identity.Provider (OpenID Connect RP-Initiated Logout 1.0). It sends no ID token as a hint, since Curfew
// keeps none: the provider asks whoever comes whether they mean it.
func (p *Provider) EndPage(ctx context.Context, back, state string) (string, error) {
	at, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	if at.endSession == "" {
		return "", access.Errorf(access.KindNotFound, "Your identity provider has no page to sign out at (end_session_endpoint). Sign out there as it says itself, or close the browser.")
	}
	page, err := url.Parse(at.endSession)
	if err != nil || page.Host == "" || page.Scheme != "https" && !strings.HasPrefix(p.config.Issuer, page.Scheme+"://") {
		return "", access.Wrap(access.KindMisconfigured, err, "The page at which to sign out at your identity provider (end_session_endpoint) has no proper address.")
	}
	query := page.Query()
	query.Set("client_id", p.config.ClientID)
	query.Set("post_logout_redirect_uri", back)
	query.Set("state", state)
	page.RawQuery = query.Encode()
	return page.String(), nil
}

// Ended implements identity.Provider: token is a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).
func (p *Provider) Ended(ctx context.Context, token string) (identity.Ended, error) {
	at, err := p.discover(ctx)
	if err != nil {
		return identity.Ended{}, err
	}
	if !logoutType(token) {
		return identity.Ended{}, notLogout(nil, "its typ is another token's")
	}
	told, err := at.verifier.VerifyLogout(oidc.ClientContext(ctx, p.config.HTTP), token)
	if err != nil {
		return identity.Ended{}, notLogout(err, "it does not verify")
	}
	now := p.config.Now()
	until := told.IssuedAt.Add(logoutAge)
	if told.Expiry.Before(until) {
		until = told.Expiry
	}
	var claims struct {
		Events map[string]json.RawMessage `json:"events"`
	}
	switch err := told.Claims(&claims); {
	case err != nil:
		return identity.Ended{}, notLogout(err, "it cannot be read")
	case !bytes.HasPrefix(bytes.TrimSpace(claims.Events[logoutEvent]), []byte("{")):
		return identity.Ended{}, notLogout(nil, "it is about something else")
	case told.IssuedAt.After(now.Add(skew)) || !now.Before(until):
		return identity.Ended{}, notLogout(nil, "it is too old, or from a time to come")
	}
	for claim, c := range map[string]struct {
		value string
		most  int
	}{"jti": {told.TokenID, maxTokenID}, "sub": {told.Subject, identity.MaxSubject}, "sid": {told.SessionID, identity.MaxSession}} {
		if err := checkText(claim, c.value, c.most); err != nil {
			return identity.Ended{}, notLogout(err, "it names something that cannot be")
		}
	}
	return identity.Ended{ID: told.TokenID, Until: until, Subject: told.Subject, Session: told.SessionID}, nil
}

// logoutType reports whether a token's header may be a logout token's. Providers from before the type was registered write the
// type of every JWT, or none.
func logoutType(token string) bool {
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return false
	}
	var h struct {
		Type string `json:"typ"`
	}
	if json.Unmarshal(text, &h) != nil {
		return false
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "", "jwt", "logout+jwt":
		return true
	}
	return false
}

func notLogout(cause error, why string) error {
	return access.Wrap(access.KindUnauthenticated, cause, "The logout token is not believed: "+why+".")
}
