package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// callTimeout bounds one call, of which some wait on purpose.
	callTimeout = 60 * time.Second
	// maxAnswer bounds an answer, in bytes. A full page of requests is about a tenth of it.
	maxAnswer = 64 << 20
	// tries is how often a GET is sent while the server cannot be reached.
	tries = 3
)

// connect makes the client. A token comes from the environment or from a sign-in: a flag would show it in the list of
// processes.
func (p *program) connect() (*client.Client, error) { return p.connectFor(callTimeout) }

// connectFor is connect for calls that may take so long; zero is as long as it takes.
func (p *program) connectFor(timeout time.Duration) (*client.Client, error) {
	address, token, err := p.server()
	if err != nil {
		return nil, err
	}
	return p.clientFor(address, token, timeout)
}

// server is where commands go, and the token that goes with them. That of a sign-in goes to its own server and nowhere else.
func (p *program) server() (address, token string, err error) {
	named := p.profile != "" || p.getenv("CURFEW_PROFILE") != ""
	address, token = cmp.Or(p.url, p.getenv("CURFEW_URL")), p.getenv("CURFEW_TOKEN")
	if address != "" && token != "" && !named {
		address, err = serverURL(address)
		return address, token, err
	}
	list, err := p.readProfiles()
	if err != nil {
		return "", "", err
	}
	one, found, err := p.chosen(list)
	if err != nil {
		return "", "", err
	}
	if address == "" || named {
		address = one.URL
	}
	if address == "" {
		return "", "", usagef("no server is known: sign in with `curfew login https://…`, or set CURFEW_URL as `curfewd dev` prints it")
	}
	if address, err = serverURL(address); err != nil {
		return "", "", err
	}
	if found && token == "" {
		if token, err = p.token(one); err != nil {
			return "", "", err
		}
	}
	if token == "" {
		return "", "", access.Errorf(access.KindUnauthenticated, "you are not signed in at %s: run `curfew login`, or set CURFEW_TOKEN", address)
	}
	return address, token, nil
}

// clientFor makes the client of a server.
func (p *program) clientFor(address, token string, timeout time.Duration) (*client.Client, error) {
	if strings.ContainsFunc(token, unicode.IsControl) { // of which no header has any: nothing would be sent
		return nil, usagef("the token has a control character in it, such as a line break: check CURFEW_TOKEN")
	}
	return client.NewClient(address,
		client.WithHTTPClient(&http.Client{
			Timeout:   timeout,
			Transport: retrying{http.DefaultTransport},
			// The API redirects nowhere; a redirect would take the token to somebody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+token)
			return nil
		}))
}

// retrying sends a GET again, briefly, while there is no connection. Other methods are sent once: they may have had
// their effect.
type retrying struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return t.next.RoundTrip(r)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 100 * time.Millisecond
	return backoff.Retry(r.Context(), func() (*http.Response, error) { return t.next.RoundTrip(r) },
		backoff.WithBackOff(pause), backoff.WithMaxTries(tries))
}

// decode makes an answer of the server, or its absence, into a value or an error with its kind.
func decode[T any](r *http.Response, err error) (out T, _ error) {
	body, err := read(r, err)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, access.Wrap(access.KindUnavailable, err, notOurs(r))
	}
	return out, nil
}

// discard is decode for an answer that has nothing to say but that it was done.
func discard(r *http.Response, err error) error {
	_, err = read(r, err)
	return err
}

// read reads the body of an answer that is no refusal.
func read(r *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, unreachable(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, access.Wrap(access.KindUnavailable, err, "the server's answer broke off; try again")
	case len(body) > maxAnswer:
		return nil, access.Errorf(access.KindExhausted, "the server's answer is longer than %d MiB", maxAnswer>>20)
	case r.StatusCode < 200 || r.StatusCode > 299:
		return nil, refusal(r, body)
	}
	return body, nil
}

// unreachable says why there is no answer.
func unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return access.Errorf(access.KindTimeout, "the server did not answer in time; try again")
	}
	where, cause := "the server", err
	var u *url.Error
	if errors.As(err, &u) {
		cause = u.Err
		if at, err := url.Parse(u.URL); err == nil {
			where = at.Scheme + "://" + at.Host
		}
	}
	return access.Errorf(access.KindUnavailable, "cannot reach %s (%s): is curfewd running? `curfewd dev` starts one", where, cause)
}

// refusal is the error that the server answered with.
func refusal(r *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var p client.Problem
	if kind != "application/problem+json" || json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return access.Errorf(access.KindUnavailable, "%s", notOurs(r))
	}
	message := p.Detail
	if p.Instance != "" {
		message += " (" + strings.TrimPrefix(p.Instance, "urn:uuid:") + ")"
	}
	return access.Errorf(access.KindOfHTTPStatus(r.StatusCode), "%s", message)
}

func notOurs(r *http.Response) string {
	return fmt.Sprintf("%s answers %d, and not as Curfew does: check CURFEW_URL", r.Request.URL.Host, r.StatusCode)
}

// collect reads the pages of a list until it ends or has enough. next is then what would come after.
func collect[T any](page func(after string) (items []T, next string, err error)) (all []T, next string, err error) {
	// A page may be empty and yet have a next one: what is not for this reader is left out of it.
	const enough, maxPages = 1000, 20
	all = []T{}
	for range maxPages {
		var items []T
		items, next, err = page(next)
		if err != nil {
			return nil, "", err
		}
		all = append(all, items...)
		if next == "" || len(all) >= enough {
			break
		}
	}
	return all, next, nil
}
