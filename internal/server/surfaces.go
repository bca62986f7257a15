package server

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/identity"
	"github.com/curfewhq/curfew/internal/oauth"
	"github.com/curfewhq/curfew/internal/page"
	"github.com/curfewhq/curfew/internal/passkey"
	"github.com/curfewhq/curfew/internal/scim"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/signin"
	"github.com/curfewhq/curfew/internal/web"
)

// serve starts to act on what is due and to answer.
func (s *Server) serve(sealer *secret.Sealer) error {
	s.runner = engine.NewRunner(s.engine)
	s.runner.Start()
	passkeys, err := passkey.New(passkey.Config{
		URL: s.config.Server.URL, Engine: s.engine, Store: s.store, Directory: func() passkey.Directory { return s.Directory() },
		IDs: engine.UUIDs{}, Tenant: access.DefaultTenant, Now: s.clock.Now, Log: s.log,
	})
	if err != nil {
		return err
	}
	handler := api.New(api.Config{
		Engine: s.engine, Authenticator: s, Sessions: s.registrar, Persons: s.registrar, Configuration: s, Passkeys: passkeys, URL: s.config.Server.URL, Tenant: access.DefaultTenant, Log: s.log,
		Ready: s.ready, Metrics: s.telemetry.Handler(), Pages: s.pages(sealer, passkeys),
	})
	base, hangUp := context.WithCancel(context.Background())
	s.hangUp = hangUp
	s.http = &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		Handler:     bodiesWithin(bodyLimit, s.telemetry.HTTP(handler, handler.Route)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	go func() { s.served <- s.http.Serve(s.listener) }()
	return nil
}

// pages are what people sign in and confirm with.
func (s *Server) pages(sealer *secret.Sealer, passkeys *passkey.Keeper) map[string]http.Handler {
	desk := signin.New(signin.Config{
		URL: s.config.Server.URL, Provider: func() signin.Provider { return s.opened.Load().provider }, Sealer: sealer, Now: s.clock.Now,
	})
	programs := oauth.New(oauth.Config{
		URL: s.config.Server.URL, Desk: desk, Workloads: func() identity.WorkloadVerifier { return s.opened.Load().workloads },
		Sessions: s.registrar, Now: s.clock.Now, Log: s.log,
	})
	people := web.New(web.Config{
		Desk: desk, Sessions: s.registrar, Directory: func() web.Directory { return s.Directory() }, Passkeys: passkeys, CeremonyPath: passkey.Path,
		Now: s.clock.Now, Log: s.log,
	})
	pages := map[string]http.Handler{
		page.StylePath: http.HandlerFunc(page.Style), passkey.Path: passkeys, scim.Prefix + "/": s.provision(s.registrar),
		signin.CallbackPath: comeBack(people, programs),
	}
	for _, pattern := range web.Patterns() {
		pages[pattern] = people
	}
	for _, pattern := range oauth.Patterns() {
		pages[pattern] = programs
	}
	return pages
}

// comeBack leads who comes back from the identity provider to what has sent them there.
func comeBack(people *web.Handler, programs http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if people.Awaits(r) {
			people.ServeHTTP(w, r)
			return
		}
		programs.ServeHTTP(w, r)
	})
}

// provision makes the surface at which identity providers write, and starts what it does besides.
func (s *Server) provision(registrar *directory.Registrar) http.Handler {
	surface := scim.New(scim.Config{
		Store: s.store, Books: s.engine, Registrar: registrar, IDs: engine.UUIDs{}, Clock: s.clock, Tenant: access.DefaultTenant,
		Sources: func() []*scim.Source { return s.opened.Load().scim }, URL: s.config.Server.URL, Log: s.log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	s.endTelling, s.told = cancel, make(chan struct{})
	go func() {
		defer close(s.told)
		surface.Run(ctx)
	}()
	return surface
}
