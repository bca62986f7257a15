// Package oauth is Curfew as an authorization server for its own programs (RFC 6749): it sends people to their identity
// provider, asks them whether they meant it, and gives the program that waits a token. A program on the same machine is reached
// through a loopback redirect with PKCE (RFC 8252, RFC 7636), one on a machine without a browser through a code that people type
// elsewhere (RFC 8628). A workload exchanges a token of its platform for one (RFC 8693).
//
// It owns what passes between browser, program and Curfew: addresses, pages and the errors of the protocol. It does not
// own how people get to the provider and back (package signin), nor sessions and what they are good for (package directory).
package oauth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/ratelimit"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/store"
)

// ClientID is the name of Curfew's own programs. They are public clients: a program that people have has no secret.
const ClientID = "curfew-cli"

// Paths of the endpoints.
const (
	AuthorizePath   = "/oauth/authorize"
	ConfirmPath     = "/oauth/confirm"
	TokenPath       = "/oauth/token"
	BeginDevicePath = "/oauth/device"
	DevicePath      = "/device"
	BackChannelPath = "/oauth/backchannel"
	metadataPath    = "/.well-known/oauth-authorization-server"
)

// Sessions keep who has signed in. package directory has them.
type Sessions interface {
	Begin(ctx context.Context, in directory.SignIn) (code string, err error)
	Redeem(ctx context.Context, code, verifier string) (token string, s access.Session, err error)

	BeginDevice(ctx context.Context, label string) (directory.DeviceCodes, error)
	Device(ctx context.Context, userCode string) (store.Device, error)
	SettleDevice(ctx context.Context, userCode, code string, approved bool) error
	AskDevice(ctx context.Context, code string) (answer directory.DeviceAnswer, token string, s access.Session, err error)

	EndedAtProvider(ctx context.Context, source string, told identity.Ended) (n int, err error)
	BeginWorkload(ctx context.Context, w identity.Workload) (token string, s access.Session, err error)
}

// Config is what a Handler stands on. Every field is required.
type Config struct {
	// URL is where people reach Curfew, without a trailing slash.
	URL string
	// Desk sends people to the identity provider and takes them back.
	Desk *signin.Desk
	// Workloads judges the tokens of workloads by the rules in force.
	Workloads func() identity.WorkloadVerifier
	Sessions  Sessions
	Now       func() time.Time
	Log       *slog.Logger
}

// Handler serves the endpoints and the pages.
type Handler struct {
	config Config
	mux    *http.ServeMux
	// visits bound how often a client begins or goes on with a sign-in, calls what programs ask, and logouts what the identity
	// provider says of sessions: it may have to speak of everybody at once, and says nothing twice. devices bound how many of the
	// places for devices that wait, of which there are few, one client takes.
	visits, calls, logouts, devices *ratelimit.Limiter
}

// New makes the handler. What people send is bounded here; the server around it bounds headers.
func New(c Config) *Handler {
	h := &Handler{config: c, mux: http.NewServeMux(),
		visits: ratelimit.New(60, 60), calls: ratelimit.New(240, 120), logouts: ratelimit.New(1200, 1200), devices: ratelimit.New(12, 20),
	}
	h.mux.HandleFunc("GET "+AuthorizePath, h.page(notSignedIn, h.authorize))
	h.mux.HandleFunc("GET "+signin.CallbackPath, h.page(notSignedIn, h.callback))
	h.mux.HandleFunc("POST "+ConfirmPath, h.page(notSignedIn, h.confirm))
	h.mux.HandleFunc("POST "+TokenPath, h.token)
	h.mux.HandleFunc("POST "+BeginDevicePath, h.beginDevice)
	h.mux.HandleFunc("GET "+DevicePath, h.page(notSignedIn, h.devicePage))
	h.mux.HandleFunc("POST "+DevicePath, h.page(notSignedIn, h.typedCode))
	h.mux.HandleFunc("GET "+signin.LogoutPath, h.page(notSignedOut, h.logout))
	h.mux.HandleFunc("GET "+signin.SignedOutPath, h.page(notSignedOut, h.signedOut))
	h.mux.HandleFunc("POST "+BackChannelPath, h.backChannelLogout)
	h.mux.HandleFunc("GET "+metadataPath, h.metadata)
	return h
}

// Patterns are what a server around the handler routes to it.
func Patterns() []string { return []string{"/oauth/", DevicePath, metadataPath} }

// maxForm bounds the body of a POST.
const maxForm = 16 << 10

// ServeHTTP implements http.Handler. A POST that another site's page sends is refused.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.NewCrossOriginProtection().Handler(h.mux).ServeHTTP(w, r)
}
