// Package web is Curfew in a browser: signing in, and the pages of who has signed in.
//
// It owns the addresses of these pages, what they look like, and the cookie of a browser's session. It does not own sessions and
// when they end, nor who may do what (packages directory and engine), nor how people get to the identity provider and back (package
// signin): it holds no rules.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/ratelimit"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/store"
)

// Sessions are where people are signed in. Implementations are safe for concurrent use; package directory has them.
type Sessions interface {
	BeginBrowser(ctx context.Context, in directory.SignIn, had string) (secret string, s access.Session, err error)
	Browse(ctx context.Context, secret string) (caller access.Caller, next string, err error)
	Sessions(ctx context.Context, by access.Principal, page store.Page) (items []access.Session, next string, err error)
	SignOut(ctx context.Context, by access.Principal, id access.SessionID) error
	SignOutEverywhere(ctx context.Context, by access.Principal) (int, error)
}

// Directory knows what holds of people here.
type Directory interface {
	HasRole(access.Principal, access.Role) bool
	Limits() directory.Limits
}

// Passkeys are what people confirm with. What begins is a ceremony, on a page with that link.
type Passkeys interface {
	Passkeys(ctx context.Context, by access.Principal) (list []access.Passkey, codes int, err error)
	Add(ctx context.Context, by access.Caller, label, invitation string) (c access.Ceremony, link string, err error)
	Remove(ctx context.Context, by access.Principal, id access.PasskeyID) (c access.Ceremony, link string, err error)
	NewCodes(ctx context.Context, by access.Principal) (c access.Ceremony, link string, err error)
}

// Config is what a Handler stands on. Every field is required.
type Config struct {
	Desk     *signin.Desk
	Sessions Sessions
	// Directory is the one in force.
	Directory func() Directory
	Passkeys  Passkeys
	// CeremonyPath begins the address of a ceremony's page.
	CeremonyPath string
	Now          func() time.Time
	Log          *slog.Logger
}

// Paths of the pages.
const (
	homePath      = "/{$}"
	signInPath    = "/sign-in"
	signOutPath   = "/sign-out"
	signedOutPath = "/signed-out"
	accountPath   = "/account"
	sessionsPath  = "/account/sessions"
	passkeysPath  = "/account/passkeys"
)

// Handler serves the pages.
type Handler struct {
	config Config
	mux    *http.ServeMux
	guard  *http.CrossOriginProtection
	// signIns bound how often a client begins or goes on with a sign-in, acts what is posted, and strangers cookies that nobody has.
	signIns, acts, strangers *ratelimit.Limiter
}

// New makes the handler. What people send is bounded here; the server around it bounds headers.
func New(c Config) *Handler {
	h := &Handler{
		config: c, mux: http.NewServeMux(), guard: http.NewCrossOriginProtection(),
		signIns: ratelimit.New(60, 60), acts: ratelimit.New(60, 60), strangers: ratelimit.New(60, 60),
	}
	h.guard.SetDenyHandler(h.page(refuseOthers))

	for _, r := range h.routes() {
		h.mux.Handle(r.pattern, r.handler)
	}
	return h
}

// route is a page or an act.
type route struct {
	pattern string
	handler http.Handler
}

// routes is the table of them. What acts is a POST.
func (h *Handler) routes() []route {
	return []route{
		{"GET " + homePath, http.RedirectHandler(accountPath, http.StatusSeeOther)},
		{"GET " + signInPath, h.page(h.signIn)},
		{"POST " + signInPath, h.page(h.limit(h.signIns, h.begin))},
		{"GET " + signin.CallbackPath, h.page(h.limit(h.signIns, h.callback))},
		{"POST " + signOutPath, h.own(h.signOut)},
		{"POST " + signOutPath + "/everywhere", h.own(h.signOutEverywhere)},
		{"GET " + signedOutPath, h.page(h.limit(h.signIns, h.signedOut))},

		{"GET " + accountPath, h.own(h.account)},
		{"GET " + sessionsPath, h.own(h.sessions)},
		{"POST " + sessionsPath + "/{id}/end", h.own(h.endSession)},
		{"GET " + passkeysPath, h.own(h.passkeys)},
		{"POST " + passkeysPath, h.own(h.addPasskey)},
		{"POST " + passkeysPath + "/{id}/remove", h.own(h.removePasskey)},
		{"POST " + passkeysPath + "/recovery-codes", h.own(h.newRecoveryCodes)},
	}
}

// Patterns are what a server around the handler routes to it. People who come back from their identity provider are this handler's
// where Awaits says so.
func Patterns() []string {
	return []string{homePath, signInPath, signOutPath, signOutPath + "/", signedOutPath, accountPath, accountPath + "/"}
}

// Awaits reports whether a browser comes back from the identity provider to be signed in itself.
func (h *Handler) Awaits(r *http.Request) bool { return h.config.Desk.Awaits(r, signin.ForBrowser) }

// maxForm bounds the body of a POST.
const maxForm = 16 << 10

// ServeHTTP implements http.Handler. A POST that another site's page sends is refused. A page of ours tells other sites nothing of
// where people come from; it says so in a way that leaves the Origin in a form that it posts, by which older browsers are judged.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	h.guard.Handler(h.mux).ServeHTTP(w, r)
}

// refuseOthers is the answer to another site's page.
func refuseOthers(http.ResponseWriter, *http.Request) error {
	return access.Errorf(access.KindDenied, "A page of another site has sent this; nothing was done. If you meant it, do it on Curfew's own page.")
}

// limit bounds how often a client comes.
func (h *Handler) limit(by *ratelimit.Limiter, serve pageFunc) pageFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := by.Admit(w, r, h.config.Now()); err != nil {
			return err
		}
		return serve(w, r)
	}
}
