package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// MaxWait is the longest that one call waits for a request to be settled. Who asks for longer gets the answer then, and
// asks again.
const MaxWait = 60 * time.Second

// Authenticator finds out who calls. Its error is access.KindUnauthenticated for a token that nobody has.
// Implementations are safe for concurrent use.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (access.Caller, error)
}

// Config is what the API stands on. Every field but Now, Pages and Metrics is required.
type Config struct {
	Engine        Engine
	Authenticator Authenticator
	Sessions      Sessions
	Passkeys      Passkeys
	// URL is where people reach Curfew with a browser, without a trailing slash.
	URL     string
	Persons Persons
	// Configuration is which version of it is in force, and which waits.
	Configuration Configuration
	// Tenant is whose world this is; a client needs it to open a credential.
	Tenant access.TenantID
	// Ready reports why the server cannot serve now, or nil.
	Ready func(context.Context) error
	Log   *slog.Logger
	// Now is by which calls are limited; nil is the machine's clock.
	Now func() time.Time
	// Pages are served beside the API, by pattern: what people see in a browser.
	Pages map[string]http.Handler
	// Metrics, when set, serves /metrics to whom the engine lets read them.
	Metrics http.Handler
}

// Handler is the whole API.
type Handler struct {
	handler  http.Handler
	root, v1 *http.ServeMux
}

// New makes the handler of the whole API.
//
// Calls may wait for MaxWait, so the server around it must set neither ReadTimeout nor WriteTimeout below that: a read
// deadline that passes cancels a call that waits. Streams have a deadline of their own for each write (writePatience), and
// end with the context of their request. Bodies have a deadline of their own here (bodyTimeout). What the
// server should set is ReadHeaderTimeout (10 s), IdleTimeout (2 min) and MaxHeaderBytes (64 KiB), which also bounds
// the query.
func New(c Config) *Handler {
	s := &surface{Config: c, streams: streams{open: map[access.PrincipalID]int{}}, limits: newLimits()}
	if s.Now == nil {
		s.Now = time.Now
	}
	v1 := http.NewServeMux()
	description := s.register(v1)

	root := http.NewServeMux()
	root.Handle(v1Pattern, s.refuseOtherSites(s.authenticate(limitBody(s.orProblem(v1)))))
	root.HandleFunc("GET /healthz", healthy)
	root.HandleFunc("GET /readyz", s.ready)
	root.HandleFunc("GET /openapi.json", serve("application/openapi+json", description.json))
	root.HandleFunc("GET /openapi.yaml", serve("application/openapi+yaml", description.yaml))
	if s.Metrics != nil {
		root.Handle("GET /metrics", s.authenticate(s.metrics()))
	}
	for pattern, page := range s.Pages {
		root.Handle(pattern, page)
	}
	h := &Handler{root: root, v1: v1}
	h.handler = s.recovering(harden(s.orProblem(root)), h.Route)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Route is the pattern that serves the request, as in "GET /v1/requests/{id}"; empty where nothing does.
func (h *Handler) Route(r *http.Request) string {
	_, pattern := h.root.Handler(r)
	if pattern == v1Pattern {
		_, pattern = h.v1.Handler(r)
	}
	return pattern
}

// v1Pattern is everything that needs a token and is in the OpenAPI document.
const v1Pattern = "/v1/"

// surface is the API at work.
type surface struct {
	Config
	streams streams
	limits  limits
}

// register puts the routes on the mux and returns their description.
func (s *surface) register(mux *http.ServeMux) document {
	a := huma.NewAPI(humaConfig(), humago.NewAdapter(mux, ""))
	s.routes(a)
	return describe(a.OpenAPI())
}

// humaConfig has no docs page, since huma's loads from a CDN, and no paths for documents: New serves them.
func humaConfig() huma.Config {
	json := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decodeJSON}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Curfew", Version: "1",
				Description: "Access for a stated time. Durations are Go's, as in \"1h30m0s\"; times are RFC 3339 in UTC.",
			},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}},
			},
			Security: []map[string][]string{{"bearer": {}}},
		},
		// huma looks up "json" for the types that end in +json, such as application/problem+json.
		Formats:                      map[string]huma.Format{"application/json": json, "json": json},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{problemFromHuma},
	}
}

// harden sets the headers of every answer: nothing here is for a cache, a frame or a guess at its type.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// recovering answers a panic with a problem and logs where it happened: the route and not the address, in which a caller
// may have put anything.
func (s *surface) recovering(next http.Handler, route func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // net/http's own way to break off
			}
			p := newProblem(access.KindInternal.HTTPStatus(), access.SafeMessage(nil))
			p.Instance = newInstance()
			s.Log.ErrorContext(r.Context(), "a call panicked", "instance", p.Instance, "route", route(r),
				"panic", secret.DescribePanic(cause), "stack", string(debug.Stack()))
			writeProblem(w, p)
		}()
		next.ServeHTTP(w, r)
	})
}

// orProblem answers with a problem where the mux has no route, or not for this method.
func (s *surface) orProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := &headOnly{header: http.Header{}}
		refusal.ServeHTTP(answer, r)
		if answer.status == http.StatusMethodNotAllowed {
			w.Header()["Allow"] = answer.header["Allow"]
			writeProblem(w, newProblem(answer.status, "This address does not take "+methodName(r.Method)+"; see the Allow header."))
			return
		}
		writeProblem(w, newProblem(http.StatusNotFound, "There is nothing at this address; /openapi.json lists what there is."))
	})
}

// methodName is the method, if it is one that people know.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "this method"
}

// headOnly keeps status and headers of an answer and drops its body.
type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) WriteHeader(status int)      { h.status = status }
func (h *headOnly) Write(p []byte) (int, error) { return len(p), nil }

func serve(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		// A client that has gone away is no error of ours.
		_, _ = w.Write(body)
	}
}
