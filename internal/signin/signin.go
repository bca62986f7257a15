// Package signin is the hand-over between Curfew and the identity provider: it sends browsers there, and takes them back.
//
// It owns the visit, which the browser keeps meanwhile, how browsers keep anything for Curfew, and which surface somebody who comes
// back belongs to. It does not own how a provider is asked (internal/identity/*), what a sign-in leads to (internal/oauth for
// programs, internal/web for the browser itself), nor sessions (package directory).
package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
)

// Paths that identity providers are told of.
const (
	// CallbackPath is where they send people back to.
	CallbackPath = "/oauth/callback"
	// SignedOutPath is where they send those who have signed out.
	SignedOutPath = "/oauth/signed-out"
)

// LogoutPath leads people to the page at which they sign out at the provider.
const LogoutPath = "/oauth/logout"

// ProviderForms is where the form of a page may lead that sends people on to their identity provider (form-action of its content
// policy, against which browsers hold redirects too): its page is anywhere over TLS, or on this machine.
const ProviderForms = "https: http://127.0.0.1:* http://localhost:*"

// What a browser keeps during a visit, by what the visit is for.
const (
	// ForProgram signs a program or a device in.
	ForProgram Cookie = "sign-in"
	// ForBrowser signs the browser itself in.
	ForBrowser Cookie = "browser-sign-in"
)

// Provider is an identity provider by the name of its source.
type Provider struct {
	Source string
	identity.Provider
}

// Config is what a Desk stands on. Every field is required.
type Config struct {
	// URL is where people reach Curfew, without a trailing slash.
	URL string
	// Provider is the one in force; its Provider is nil where nobody can sign in.
	Provider func() Provider
	Sealer   Sealer
	Now      func() time.Time
}

// Desk sends browsers to the identity provider and takes them back. It is safe for concurrent use, and keeps nothing: so any node
// goes on with a visit, and nobody but the browser that began it.
type Desk struct {
	Cookies
	config Config
}

// New makes a Desk.
func New(c Config) *Desk { return &Desk{Cookies: NewCookies(c.URL, c.Sealer), config: c} }

// VisitLifetime is how long somebody may take at the identity provider.
const VisitLifetime = 10 * time.Minute

// visit is a sign-in under way.
type visit struct {
	// Order is what it is for, in the words of the surface that has sent somebody.
	Order   json.RawMessage  `json:"order"`
	Source  string           `json:"source"`
	Attempt identity.Attempt `json:"attempt"`
	Until   time.Time        `json:"until"`
}

// ErrNoVisit is the refusal of a browser that has not begun here.
var ErrNoVisit = access.Errorf(access.KindUnauthenticated, "This browser has no sign-in under way here, or it took too long. Begin again, for a program with `curfew login`.")

// Provider is the one in force.
func (d *Desk) Provider() (Provider, error) {
	p := d.config.Provider()
	if p.Provider == nil {
		return p, access.Errorf(access.KindNotFound, "Nobody can sign in here: no identity provider is configured (directory.oidc). Use a token: set CURFEW_TOKEN.")
	}
	return p, nil
}

// Send sends a browser to the identity provider. Whoever takes it back gets the order.
func (d *Desk) Send(w http.ResponseWriter, r *http.Request, what Cookie, order any) error {
	p, err := d.Provider()
	if err != nil {
		return err
	}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	attempt, page, err := p.Begin(r.Context())
	if err != nil {
		return err
	}
	v := visit{Order: text, Source: p.Source, Attempt: attempt, Until: d.config.Now().Add(VisitLifetime)}
	if err := d.Seal(w, what, v, VisitLifetime); err != nil {
		return err
	}
	http.Redirect(w, r, page, http.StatusSeeOther)
	return nil
}

// Awaits reports whether the browser comes back from a visit of this kind. It may have one of each under way.
func (d *Desk) Awaits(r *http.Request, what Cookie) bool {
	v, err := d.visit(r, what)
	return err == nil && subtle.ConstantTimeCompare([]byte(v.Attempt.State), []byte(r.URL.Query().Get("state"))) == 1
}

// Take takes a browser back that Send has sent, with the answer of the provider: who it is, and what it was for. The answer is good
// in that browser alone, and the visit is over by it, unless the provider could not be asked what it means.
func (d *Desk) Take(w http.ResponseWriter, r *http.Request, what Cookie, order any) (source string, a identity.Account, err error) {
	v, err := d.visit(r, what)
	if err != nil {
		return "", a, err
	}
	p, err := d.Provider()
	if err != nil {
		return "", a, err
	}
	if p.Source != v.Source {
		return "", a, ErrNoVisit
	}
	a, err = p.Finish(r.Context(), v.Attempt, r.URL.Query())
	if kind := access.KindOf(err); err == nil || kind == access.KindUnauthenticated || kind == access.KindDenied {
		d.Drop(w, what)
	}
	if err != nil {
		return "", a, err
	}
	return p.Source, a, json.Unmarshal(v.Order, order)
}

// visit is what the browser has kept.
func (d *Desk) visit(r *http.Request, what Cookie) (v visit, err error) {
	if err := d.Open(r, what, &v); err != nil || !d.config.Now().Before(v.Until) {
		return v, ErrNoVisit
	}
	return v, nil
}

// ExitPage is the provider's page at which somebody signs out there, from which it sends them back to SignedOutPath with the state.
// A provider without one is access.KindNotFound.
func (d *Desk) ExitPage(ctx context.Context, state string) (page string, err error) {
	p, err := d.Provider()
	if err != nil {
		return "", err
	}
	return p.EndPage(ctx, d.config.URL+SignedOutPath, state)
}

// HasExit reports whether the provider has such a page, as far as it says now.
func (d *Desk) HasExit(ctx context.Context) bool {
	_, err := d.ExitPage(ctx, "")
	return err == nil
}
