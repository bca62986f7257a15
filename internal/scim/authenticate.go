package scim

import (
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/ratelimit"
)

// How many wrong tokens one client may try at once, and a minute.
const (
	wrongAtOnce    = 20
	wrongPerMinute = 60
)

// MinToken is the least length of a token. One that is random and as long is not found by trying, so wrong ones are slowed
// down for the log's sake, and never keep out the right one.
const MinToken = 32

// identify finds the source that a request's token belongs to. Every token is compared, in constant time.
func (s *Server) identify(r *http.Request) (*Source, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	hash := sha256.Sum256([]byte(token))
	var found *Source
	sources := s.Sources()
	for _, one := range sources {
		if subtle.ConstantTimeCompare(hash[:], one.token[:]) == 1 {
			found = one
		}
	}
	switch {
	case len(sources) == 0:
		return nil, statusError(http.StatusNotFound, "No source is configured here (directory.scim).")
	case found != nil && strings.EqualFold(scheme, "Bearer"):
		return found, nil
	}
	if ok, wait := s.wrong.Take(ratelimit.Client(r), s.Clock.Now()); !ok {
		return nil, &failure{
			status: http.StatusTooManyRequests, detail: "Too many wrong tokens; try again in a moment.", retry: strconv.Itoa(int(math.Ceil(wait.Seconds()))),
		}
	}
	return nil, statusError(http.StatusUnauthorized, "The token is not that of a source of this server; check the secret token in the identity provider.")
}
