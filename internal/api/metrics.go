package api

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
)

// metrics serves the metrics to those who may read them. The token decides and not the address that a call comes from:
// behind a proxy on the same machine every call comes from loopback.
func (s *surface) metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := callerOf(r.Context())
		err := refuseConfined(caller.Session, access.ScopeRead)
		if err == nil {
			err = s.Engine.MayReadMetrics(caller.Principal)
		}
		if err != nil {
			writeProblem(w, s.problem(r.Context(), err))
			return
		}
		s.Metrics.ServeHTTP(w, r)
	})
}
