package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
	// maxHeader bounds an answer's header.
	maxHeader = 64 << 10
	// callLimit bounds one call.
	callLimit = 20 * time.Second
)

// HTTP posts to one URL.
type HTTP struct {
	url    string
	client *http.Client
}

// CheckURL says what is wrong with the URL of a webhook, without repeating it: a secret may be in it.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("want a URL of the form https://HOST/PATH")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("a URL has no place for a user, a query or a fragment here: what is secret is referred to by a key of its own")
	case u.Scheme == "http" && !IsLoopbackHost(u.Hostname()):
		return errors.New("http:// is for this machine alone: want https://")
	}
	return nil
}

// NewHTTP makes a client of the URL, which CheckURL has nothing against. It uses no proxy: a proxy would resolve names itself,
// and reach what must not be reached.
func NewHTTP(raw string) *HTTP {
	reach := Anywhere
	if u, err := url.Parse(raw); err != nil || u.Scheme != "https" {
		reach = Loopback
	}
	return &HTTP{url: raw, client: &http.Client{
		Timeout: callLimit,
		Transport: &http.Transport{
			DialContext: Dialer(reach).DialContext, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute,
		},
		// The answer that redirects is the answer, and no success.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Post sends a body. An answer that is none of success is an error; what it says is not repeated, since nobody knows whose
// words they are.
func (h *HTTP) Post(ctx context.Context, header http.Header, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be called")
	}
	request.Header = header
	request.Header.Set("User-Agent", "curfewd")
	answer, err := h.client.Do(request)
	if err != nil {
		return err
	}
	// What is read to the end lets the connection be used again.
	_, err = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	switch err = errors.Join(err, answer.Body.Close()); {
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return fmt.Errorf("the receiver answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	case err != nil:
		return fmt.Errorf("the receiver's answer: %w", err)
	}
	return nil
}

// Close ends idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }
