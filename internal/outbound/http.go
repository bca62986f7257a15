package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
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
	return &HTTP{url: raw, client: &http.Client{Timeout: callLimit, Transport: transport(raw, 1), CheckRedirect: stay}}
}

// maxConns is how many connections NewClient makes to one host.
const maxConns = 8

// NewClient makes a client of what is at the URL, and of what that says of itself, within the same bounds: it dials what is
// within reach, follows no redirect, and reads no more of an answer than maxBody.
func NewClient(raw string) *http.Client {
	return &http.Client{Timeout: callLimit, Transport: bounded{freshTransport(raw)}, CheckRedirect: stay}
}

// NewTrustingClient is NewClient of a server whose certificate is checked against those of a PEM file; an empty name means the
// system's.
func NewTrustingClient(raw, caFile string) (*http.Client, error) {
	if caFile == "" {
		return NewClient(raw), nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in %s: want PEM", caFile)
	}
	t := freshTransport(raw)
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Timeout: callLimit, Transport: bounded{t}, CheckRedirect: stay}, nil
}

// stay takes the answer that redirects as the answer, which is no success.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// freshTransport makes a connection for each call. One that is kept may be closed by the server at the moment at which it is used
// again, and a code that somebody signs in with cannot be sent twice.
func freshTransport(raw string) *http.Transport {
	t := transport(raw, maxConns)
	t.DisableKeepAlives = true
	return t
}

func transport(raw string, conns int) *http.Transport {
	reach := Anywhere
	if u, err := url.Parse(raw); err != nil || u.Scheme != "https" {
		reach = Loopback
	}
	return &http.Transport{
		DialContext: Dialer(reach).DialContext, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: conns, IdleConnTimeout: time.Minute,
	}
}

// maxBody bounds what NewClient reads of an answer.
const maxBody = 4 << 20

// bounded cuts off answers that are too long.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxBody)
	}
	return answer, err
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
