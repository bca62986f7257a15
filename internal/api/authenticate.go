package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// maxToken bounds a bearer token, in bytes.
const maxToken = 4096

type callerKey struct{}

// callerOf is who makes the call, and by which session.
func callerOf(ctx context.Context) access.Caller {
	c, ok := ctx.Value(callerKey{}).(access.Caller)
	if !ok {
		panic("api: a route is served outside of authenticate")
	}
	return c
}

// actorOf is who makes the call.
func actorOf(ctx context.Context) access.Principal { return callerOf(ctx).Principal }

// authenticate lets only known principals through. The token comes in the Authorization header and nowhere else: no
// cookie and no query, so that no other site's page can make a browser call, and no log of addresses holds a token.
func (s *surface) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := s.identify(r)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
			return
		}
		p := s.problem(r.Context(), s.stranger(w, r, err))
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="curfew"`)
		}
		writeProblem(w, p)
	})
}

// refuseOtherSites refuses what a page of another site sends to change something. Such a page has no token to send along; one that
// has come by a token is refused by this.
func (s *surface) refuseOtherSites(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, s.problem(r.Context(), access.Errorf(access.KindDenied, "A page of another site has sent this; nothing was done.")))
	}))
	return guard.Handler(next)
}

// identify finds out who calls, as the directory knows them now.
func (s *surface) identify(r *http.Request) (access.Caller, error) {
	token, err := bearer(r.Header.Values("Authorization"))
	if err != nil {
		return access.Caller{}, err
	}
	return s.Authenticator.Authenticate(r.Context(), token)
}

// bearer reads the token (RFC 6750, section 2.1).
func bearer(headers []string) (string, error) {
	if len(headers) == 0 {
		return "", access.Errorf(access.KindUnauthenticated, "Say who you are: send the header \"Authorization: Bearer TOKEN\".")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return "", access.Errorf(access.KindUnauthenticated, "The Authorization header is not one \"Bearer TOKEN\".")
	}
	return token, nil
}
