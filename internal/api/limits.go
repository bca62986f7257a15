package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/ratelimit"
)

// limits bound how often somebody may try and search.
type limits struct {
	// strangers are calls with a token that nobody has, by address. A good token is never kept out: somebody else's broken
	// script does not lock people out at night.
	strangers *ratelimit.Limiter
	// searches are calls that look through much, and proofs those that show another token, by principal.
	searches, proofs *ratelimit.Limiter
}

func newLimits() limits {
	return limits{strangers: ratelimit.New(60, 60), searches: ratelimit.New(600, 120), proofs: ratelimit.New(60, 60)}
}

// stranger turns the refusal of a token into one of the address that it comes from, when that has tried too often.
func (s *surface) stranger(w http.ResponseWriter, r *http.Request, err error) error {
	if access.KindOf(err) != access.KindUnauthenticated || r.Header.Get("Authorization") == "" {
		return err
	}
	ok, wait := s.limits.strangers.Take(ratelimit.Client(r), s.Now())
	if ok {
		return err
	}
	return tooOften(w, wait)
}

// search bounds how often a principal looks through much.
func (s *surface) search(hc huma.Context, next func(huma.Context)) {
	s.limit(s.limits.searches, hc, next)
}

// prove bounds how often a principal shows somebody's token as a proof: whoever guesses tokens may do so there as well.
func (s *surface) prove(hc huma.Context, next func(huma.Context)) {
	s.limit(s.limits.proofs, hc, next)
}

// limit bounds how often a principal goes on.
func (s *surface) limit(by *ratelimit.Limiter, hc huma.Context, next func(huma.Context)) {
	_, w := humago.Unwrap(hc)
	if ok, wait := by.Take(actorOf(hc.Context()).ID.String(), s.Now()); !ok {
		writeProblem(w, s.problem(hc.Context(), tooOften(w, wait)))
		return
	}
	next(hc)
}

// tooOften is the refusal of who comes too often, and says when to come again (RFC 9110, section 10.2.3).
func tooOften(w http.ResponseWriter, wait time.Duration) error {
	seconds := strconv.Itoa(max(1, int(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	return access.Errorf(access.KindExhausted, "Too many calls; come again in %s s.", seconds)
}
