package oidc

import (
	"errors"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// How often a provider is asked what it says of itself, its keys included.
const (
	pause = 10 * time.Second
	burst = 10
)

// errPace says that the provider was asked often enough.
var errPace = errors.New("the identity provider was asked for its keys often enough; try again in a moment")

// pace bounds how often a provider is asked: it is so for each token that none of its keys has signed, and anybody can make one up.
// A provider that is asked too often answers nobody any more.
type pace struct {
	next  http.RoundTripper
	limit *rate.Limiter
	now   func() time.Time
}

// paced is the client, at a pace.
func paced(client http.Client, now func() time.Time) *http.Client {
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = pace{client.Transport, rate.NewLimiter(rate.Every(pause), burst), now}
	return &client
}

// RoundTrip implements http.RoundTripper.
func (p pace) RoundTrip(r *http.Request) (*http.Response, error) {
	if !p.limit.AllowN(p.now(), 1) {
		return nil, errPace
	}
	return p.next.RoundTrip(r)
}
