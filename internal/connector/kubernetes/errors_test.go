package kubernetes

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
)

// TestStatusesHaveKinds answers as API servers do that are busy, broken, or not what they seem: no real one can be brought to all
// of that. What a server says goes to operators, bounded, and never to the asker.
func TestStatusesHaveKinds(t *testing.T) {
	var status int
	body := `{"kind":"Status","message":"what the server says ` + strings.Repeat("x", 3*maxServerMessage) + `"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "http://elsewhere.example/")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	d := openAt(t, server.URL)
	for s, want := range map[int]access.Kind{
		http.StatusFound: access.KindInternal, http.StatusBadRequest: access.KindMisconfigured, http.StatusUnauthorized: access.KindMisconfigured,
		http.StatusForbidden: access.KindMisconfigured, http.StatusConflict: access.KindConflict, http.StatusGone: access.KindUnavailable,
		http.StatusUnprocessableEntity: access.KindMisconfigured, http.StatusTooManyRequests: access.KindExhausted,
		http.StatusInternalServerError: access.KindUnavailable, http.StatusServiceUnavailable: access.KindUnavailable, http.StatusGatewayTimeout: access.KindTimeout,
	} {
		status = s
		_, err := d.Check(t.Context())
		wantKind(t, err, want, "The connector cluster cannot be used: ")
		if err != nil && (strings.Contains(access.SafeMessage(err), "what the server says") || len(err.Error()) > 2*maxServerMessage) {
			t.Errorf("of the status %d the asker reads %q, and operators %d bytes", s, access.SafeMessage(err), len(err.Error()))
		}
	}
	status = http.StatusTooManyRequests
	_, err := d.Check(t.Context())
	wantKind(t, err, access.KindExhausted, "7")
	status, body = http.StatusOK, `{"metadata":`
	_, err = d.Check(t.Context())
	wantKind(t, err, access.KindUnavailable, "cannot be reached")
}

// A server, or a proxy before it, may repeat the token that it refuses. Nobody reads it, as it was sent or in quotes.
func TestTheTokenIsNeverRepeated(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"message":"the header was %s"}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	_, err := openAt(t, server.URL).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "token_file")
	if got := errors.Unwrap(err).Error(); got != "the header was Bearer [secret] (HTTP status 401)" {
		t.Errorf("operators read %q", got)
	}
}

// openAt opens a connector at an address on loopback.
func openAt(t *testing.T, server string) connector.Driver {
	t.Helper()
	return openAtWith(t, server, nil)
}

// openAtWith opens it by a clock. Nil is the system's.
func openAtWith(t *testing.T, server string, clock access.Clock) connector.Driver {
	t.Helper()
	token := strings.TrimPrefix(string(connectortest.SecretFile(t, "token")), "file:")
	return connectortest.Open(t, "cluster", clock, &Config{
		Server: server, TokenFile: token, AccountsNamespace: defaultAccountsNamespace, MaxConnections: 2,
		Permissions: map[string]Permission{"read": {ClusterRole: "read"}},
	})
}

// tokenIsReadAgain replaces the token of Curfew's account under an open connector, as a kubelet does.
func tokenIsReadAgain(t *testing.T, c *cluster) {
	d := c.open(t)
	good, err := os.ReadFile(c.token)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		if err := os.WriteFile(c.token, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("outdated"))
	_, err = d.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "refuses the token")
	write(good)
	if _, err := d.Check(t.Context()); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

// strangersCertificate meets a server for which nobody vouches.
func strangersCertificate(t *testing.T, c *cluster) {
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	_, err := c.open(t, func(config *Config) { config.Server = stranger.URL }).Check(t.Context())
	wantKind(t, err, access.KindMisconfigured, "ca_file")
}
