package scim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	// maxBody bounds a body; a group is replaced with some 20,000 members at once.
	maxBody = 1 << 20
	// bodyTimeout is how long a body may take to arrive.
	bodyTimeout = 30 * time.Second

	contentType   = "application/scim+json"
	errorSchema   = "urn:ietf:params:scim:api:messages:2.0:Error"
	uniquenessErr = "uniqueness"
)

// call is one request of a source.
type call struct {
	*Server
	source *Source
	r      *http.Request
	body   []byte
}

// answer is what a call answers with.
type answer struct {
	status int
	// body is nil for an answer without one.
	body any
	etag string
	// location is the address of what was created.
	location string
}

// failure is an error with its status.
type failure struct {
	status   int
	scimType string
	detail   string
	// retry is the seconds after which trying again may work.
	retry string
}

// Error implements error.
func (f *failure) Error() string { return f.detail }

func statusError(status int, detail string) *failure {
	return &failure{status: status, detail: detail}
}

// serve authenticates a call, reads its body and writes its answer.
func (s *Server) serve(fn func(*call) (*answer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		a, err := s.answer(w, r, fn)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if a.etag != "" {
			w.Header().Set("ETag", a.etag)
		}
		if a.location != "" {
			w.Header().Set("Location", a.location)
		}
		write(w, a.status, a.body)
	})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, fn func(*call) (*answer, error)) (a *answer, err error) {
	src, err := s.identify(r)
	if err != nil {
		return nil, err
	}
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	defer func() {
		if cause := recover(); cause != nil {
			s.Log.ErrorContext(r.Context(), "a call of an identity provider panicked", "route", s.Route(r), "panic", secret.DescribePanic(cause))
			a, err = nil, access.Errorf(access.KindInternal, "%s", access.SafeMessage(nil))
		}
	}()
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return fn(&call{Server: s, source: src, r: r, body: body})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	deadline := http.NewResponseController(w)
	// A connection that knows no deadlines, such as a test's, is not worth refusing the call.
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil { // else what is left of it would have all the time there is
		_ = deadline.SetReadDeadline(time.Time{})
	}
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, statusError(http.StatusRequestEntityTooLarge, "A body has 1 MiB at most; send the members of a large group in several PATCHes.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, statusError(http.StatusRequestTimeout, "The body took too long to arrive.")
	case err != nil:
		return nil, statusError(http.StatusBadRequest, "The body could not be read to its end.")
	case len(body) == 0:
		return nil, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != contentType && kind != "application/json" {
		return nil, statusError(http.StatusUnsupportedMediaType, "A body is "+contentType+" or application/json.")
	}
	return body, nil
}

// write writes an answer. A client that has gone away is no error of ours.
func write(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// refuse answers with an error (RFC 7644, section 3.12).
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.status >= http.StatusInternalServerError && f.status != http.StatusNotImplemented {
		s.Log.ErrorContext(r.Context(), "a call of an identity provider failed", "route", s.Route(r), "error", err)
	}
	switch {
	case f.status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="scim"`)
	case f.retry != "":
		w.Header().Set("Retry-After", f.retry)
	}
	if f.status == http.StatusNotModified {
		w.WriteHeader(f.status)
		return
	}
	write(w, f.status, struct {
		Schemas  []string `json:"schemas"`
		Status   string   `json:"status"`
		ScimType string   `json:"scimType,omitempty"`
		Detail   string   `json:"detail"`
	}{[]string{errorSchema}, strconv.Itoa(f.status), f.scimType, f.detail})
}

func failureOf(err error) *failure {
	var f *failure
	var bad *resource.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &bad):
		return &failure{status: http.StatusBadRequest, scimType: string(bad.Type), detail: bad.Detail}
	}
	kind := access.KindOf(err)
	status := kind.HTTPStatus()
	if kind == access.KindInvalid {
		status = http.StatusBadRequest
	}
	f = &failure{status: status, detail: access.SafeMessage(err)}
	if kind == access.KindUnavailable || kind == access.KindTimeout {
		f.retry = "5"
	}
	return f
}
