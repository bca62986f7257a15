package connectortest

import (
	"context"
	"encoding/base32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

// What the tests of a driver need beside the law, for what only that driver has.

// Open checks a configuration and opens its driver, which is closed at the end of the test. A nil clock is the system's.
func Open(t testing.TB, name access.ConnectorName, clock access.Clock, c connector.Config) connector.Driver {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if clock == nil {
		clock = access.SystemClock{}
	}
	d, err := c.Open(connector.Env{Name: name, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// SecretFile keeps a secret where a configuration refers to it.
func SecretFile(t testing.TB, text string) secret.Ref {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + file)
}

// NewOrder is an order for alice, shaped as the engine shapes them, that begins now and lasts an hour. It asks for no credential.
func NewOrder(now time.Time, e access.Entitlement) connector.Order {
	id := uuid.New()
	unique := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
	return connector.Order{
		Grant:       access.GrantID(access.GrantPrefix + unique),
		Attempt:     1,
		ActBy:       now.Add(actWithin),
		Mark:        mark("law", unique),
		Tenant:      access.DefaultTenant,
		Principal:   access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"},
		Entitlement: e,
		Start:       now,
		Deadline:    now.Add(life),
	}
}

// AwaitPast waits until the clock of this machine is past a moment: Harness.WaitPast for a target that goes by it.
func AwaitPast(t testing.TB, at time.Time) {
	t.Helper()
	select {
	case <-time.After(time.Until(at) + time.Millisecond):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}
