package kubernetes

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// errNoToken says that the file with our own token cannot be read.
var errNoToken = errors.New("the token of Curfew's account cannot be read")

// maxServerMessage bounds what we repeat of the server's words to operators.
const maxServerMessage = 1000

// serverError is an answer that is no success.
type serverError struct {
	status     int
	message    string
	retryAfter string
}

// Error is the server's message with the status.
func (e *serverError) Error() string { return fmt.Sprintf("%s (HTTP status %d)", e.message, e.status) }

func newServerError(response *http.Response, body []byte) error {
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &said) // a proxy in between may answer with something else
	// The token is read anew for every request, so that nobody else knows what must not be repeated.
	message := secret.NewRedactor(strings.TrimPrefix(response.Request.Header.Get("Authorization"), "Bearer ")).Text(said.Message)
	if message == "" {
		message = "the server gave no reason"
	}
	return &serverError{
		status: response.StatusCode, message: message[:min(len(message), maxServerMessage)], retryAfter: response.Header.Get("Retry-After"),
	}
}

// answered reports whether the server answered with the status.
func answered(err error, status int) bool { return statusOf(err) == status }

// statusOf is the status of an answer that is no success; 0 when there was no answer.
func statusOf(err error) int {
	if e, ok := errors.AsType[*serverError](err); ok {
		return e.status
	}
	return 0
}

// absent is err, unless that says that what was asked for is not there.
func absent(err error) (gone bool, _ error) {
	if answered(err, http.StatusNotFound) {
		return true, nil
	}
	return false, err
}

// fail gives an error of the server, or of the way to it, its kind. The cause keeps the server's status and message.
func (d *driver) fail(ctx context.Context, err error, doing string) error {
	var already *access.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, format string, args ...any) error {
		return access.Wrap(kind, err, fmt.Sprintf("The connector %s cannot %s: ", d.name, doing)+fmt.Sprintf(format, args...))
	}
	if ctx.Err() != nil {
		return say(access.KindOf(ctx.Err()), "its time ran out or it was cancelled.")
	}
	if errors.Is(err, errNoToken) {
		return say(access.KindMisconfigured, "the token of its account cannot be read. An operator must correct token_file.")
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return say(access.KindMisconfigured, "nobody vouches for the server's certificate. An operator must name the authority's in ca_file, or correct server.")
	}
	answer, ok := errors.AsType[*serverError](err)
	if !ok {
		return say(access.KindUnavailable, "the API server cannot be reached.")
	}
	switch answer.status {
	case http.StatusUnauthorized:
		return say(access.KindMisconfigured, "the API server refuses the token of its account. An operator must correct token_file.")
	case http.StatusForbidden:
		return say(access.KindMisconfigured, "its account lacks a right, or an admission rule of the cluster forbids it. The connector's page has the manifests.")
	case http.StatusNotFound:
		return say(access.KindNotFound, "it is not there any more.")
	case http.StatusConflict:
		return say(access.KindConflict, "somebody else changed it at the same moment.")
	case http.StatusGone:
		return say(access.KindUnavailable, "what it was reading changed meanwhile; try again.")
	case http.StatusTooManyRequests:
		return say(access.KindExhausted, "the API server has too much to do%s.", after(answer.retryAfter))
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return say(access.KindTimeout, "the API server took too long.")
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return say(access.KindMisconfigured, "the API server refuses the object. An operator must look at its message in the log.")
	}
	if answer.status >= http.StatusInternalServerError {
		return say(access.KindUnavailable, "the API server is going down, starting up or broken%s.", after(answer.retryAfter))
	}
	return say(access.KindInternal, "the API server refused it.")
}

// after says when the server wants to be asked again, if it said so in seconds.
func after(retryAfter string) string {
	if retryAfter == "" || len(retryAfter) > 10 {
		return ""
	}
	return fmt.Sprintf(" and asks to be left alone for %q seconds", retryAfter)
}
