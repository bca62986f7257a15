package api

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
)

// healthy says that the process answers.
func healthy(w http.ResponseWriter, r *http.Request) {
	serve("text/plain; charset=utf-8", []byte("ok\n"))(w, r)
}

// ready says whether calls can be served, and if not, the sentence that is safe to show to anybody.
func (s *surface) ready(w http.ResponseWriter, r *http.Request) {
	err := s.Ready(r.Context())
	if err == nil {
		healthy(w, r)
		return
	}
	p := s.problem(r.Context(), access.Wrap(access.KindUnavailable, err, "Not ready; the server's log says why."))
	writeProblem(w, p)
}
