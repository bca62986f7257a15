package scim

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/ratelimit"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

// Prefix is where the surface is on the server.
const Prefix = "/scim/v2"

// Names of transactions.
const (
	txUser  store.TxName = "scim-user"
	txGroup store.TxName = "scim-group"
	// Transaction tells of people in the queue. Nobody waits for it at a screen.
	Transaction store.TxName = "scim-stale"
)

// Books change what is kept.
type Books interface {
	// Change runs fn in one transaction, with the audit entries that it enters. fn may run more than once.
	Change(ctx context.Context, name store.TxName, fn func(tx store.Tx, enter func(access.Event) error) error) error
}

// Registrar keeps who there is, in the caller's transaction.
type Registrar interface {
	// Tell keeps what a source says of an account now.
	Tell(tx store.Tx, enter func(access.Event) error, source string, a identity.Account) (access.Profile, error)
	// Gone says that a source has an account no more: all that its person has ends. Who is gone already is no error.
	Gone(tx store.Tx, enter func(access.Event) error, id access.PrincipalID) error
}

// Config is what the surface stands on. Every field is required.
type Config struct {
	Store     store.Store
	Books     Books
	Registrar Registrar
	IDs       access.IDs
	Clock     access.Clock
	Tenant    access.TenantID
	// Sources are those in force; each that is new is told of anew.
	Sources func() []*Source
	// URL is where clients find the server, without Prefix.
	URL string
	Log *slog.Logger
}

// maxConcurrent bounds the calls at work at one time; others wait.
const maxConcurrent = 8

// Server is the surface. It is safe for concurrent use.
type Server struct {
	Config
	users, groups *kind
	wrong         *ratelimit.Limiter
	// working has a place for each call at work.
	working chan struct{}
	// stale is raised when users wait of whom to tell.
	stale chan struct{}
	mux   *http.ServeMux
}

// kind is a type of resource, with how its rows are known.
type kind struct {
	*resource.Type
	kind store.ProvisionedKind
	// name is the attribute by which people know it.
	name   string
	prefix string
}

// New makes the surface.
func New(c Config) *Server {
	c.URL = strings.TrimSuffix(c.URL, "/")
	s := &Server{
		Config: c, wrong: ratelimit.New(wrongPerMinute, wrongAtOnce), working: make(chan struct{}, maxConcurrent), stale: make(chan struct{}, 1),
		users:  &kind{resource.NewUser(), store.ProvisionedUser, "userName", access.ProvisionedUserPrefix},
		groups: &kind{resource.NewGroup(), store.ProvisionedGroup, "displayName", access.ProvisionedGroupPrefix},
	}
	s.mux = s.routes()
	return s
}

// routes is the whole surface.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(*call) (*answer, error){
		"GET /Users":                 (*call).searchUsers,
		"POST /Users":                (*call).createUser,
		"POST /Users/.search":        (*call).searchUsers,
		"GET /Users/{id}":            (*call).getUser,
		"PUT /Users/{id}":            (*call).replaceUser,
		"PATCH /Users/{id}":          (*call).patchUser,
		"DELETE /Users/{id}":         (*call).deleteUser,
		"GET /Groups":                (*call).searchGroups,
		"POST /Groups":               (*call).createGroup,
		"POST /Groups/.search":       (*call).searchGroups,
		"GET /Groups/{id}":           (*call).getGroup,
		"PUT /Groups/{id}":           (*call).replaceGroup,
		"PATCH /Groups/{id}":         (*call).patchGroup,
		"DELETE /Groups/{id}":        (*call).deleteGroup,
		"GET /{$}":                   (*call).searchAll,
		"POST /.search":              (*call).searchAll,
		"/Bulk":                      (*call).notBuilt,
		"/Me":                        (*call).notBuilt,
		"GET /Schemas":               (*call).schemas,
		"GET /Schemas/{id}":          (*call).schema,
		"GET /ResourceTypes":         (*call).resourceTypes,
		"GET /ResourceTypes/{id}":    (*call).resourceType,
		"GET /ServiceProviderConfig": (*call).serviceProviderConfig,
	} {
		method, path, both := strings.Cut(pattern, " ")
		if !both {
			method, path = "", pattern
		}
		mux.Handle(strings.TrimSpace(method+" "+Prefix+path), s.serve(serve))
	}
	mux.Handle("/", s.serve((*call).nothing))
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Route is the pattern that serves the request, as in "GET /scim/v2/Users/{id}".
func (s *Server) Route(r *http.Request) string {
	_, pattern := s.mux.Handler(r)
	return pattern
}

func (c *call) nothing() (*answer, error) {
	return nil, statusError(http.StatusNotFound, "There is nothing at this address, or not by this method; "+Prefix+"/ResourceTypes lists what there is.")
}

func (c *call) notBuilt() (*answer, error) {
	return nil, statusError(http.StatusNotImplemented, "This server has neither /Bulk nor /Me.")
}
