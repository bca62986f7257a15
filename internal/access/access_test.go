package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
)

func TestParseEntitlement(t *testing.T) {
	for text, want := range map[string]access.Entitlement{
		"orders-db/orders:read":   {Connector: "orders-db", Resource: "orders", Permission: "read"},
		"k8s/prod/payments:edit":  {Connector: "k8s", Resource: "prod/payments", Permission: "edit"},
		"a/urn:x:y:z.A_b-1":       {Connector: "a", Resource: "urn:x:y", Permission: "z.A_b-1"},
		"github/acme/Shop:Triage": {Connector: "github", Resource: "acme/Shop", Permission: "Triage"},
	} {
		got, err := access.ParseEntitlement(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	for _, text := range []string{
		"", "orders", "orders-db/orders", "orders-db:read", "/orders:read", "orders-db/:read", "orders-db/orders:",
		"Orders-db/orders:read", "orders_db/orders:read", "orders-db/or\nders:read", "orders-db/orders:re ad",
		"orders-db/or\x00ders:read", "orders-db/\u202eorders:read", "orders-db/\xff:read", "orders-db/or\u2028ders:read",
		strings.Repeat("a", 64) + "/orders:read", "a/" + strings.Repeat("x", 301) + ":read", "a/x:" + strings.Repeat("p", 129),
	} {
		if e, err := access.ParseEntitlement(text); err == nil {
			t.Errorf("%q was read as %+v", text, e)
		}
	}
}

func FuzzParseEntitlement(f *testing.F) {
	f.Add("orders-db/orders:read")
	f.Add("a/b/c:d:e")
	f.Add("a/\u202e:b")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := access.ParseEntitlement(s)
		if err != nil {
			return
		}
		if e.String() != s {
			t.Fatalf("%q is written %q", s, e)
		}
		if again, err := access.ParseEntitlement(e.String()); err != nil || again != e {
			t.Fatalf("%q is read back as %+v, %v", s, again, err)
		}
	})
}

func TestPrincipalIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := access.PrincipalID{
			Issuer:  rapid.StringMatching(`[a-z:/.%]{1,20}`).Draw(t, "issuer"),
			Subject: rapid.StringMatching(`[a-zA-Z/%2F5@]{1,20}`).Draw(t, "subject"),
		}
		got, err := access.ParsePrincipalID(id.String())
		if err != nil || got != id {
			t.Fatalf("%+v is written %s and read as %+v, %v", id, id, got, err)
		}
	})
	if id, err := access.ParsePrincipalID("alice"); err != nil || id.Issuer != access.StaticIssuer {
		t.Errorf("a bare id is %+v, %v", id, err)
	}
	for _, bad := range []string{"", "/alice", "static/", strings.Repeat("x", 513)} {
		if id, err := access.ParsePrincipalID(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, id)
		}
	}
}

func TestPrincipalIDInJSON(t *testing.T) {
	type row struct {
		ID access.PrincipalID `json:"id"`
	}
	b, err := json.Marshal(row{access.PrincipalID{Issuer: "https://sso/x", Subject: "a/b"}})
	if err != nil || string(b) != `{"id":"https://sso/x/a%2Fb"}` {
		t.Errorf("%s, %v", b, err)
	}
	var r row
	if err := json.Unmarshal(b, &r); err != nil || r.ID.Subject != "a/b" {
		t.Errorf("%+v, %v", r, err)
	}
}

// What was asked is bound whole: every change of a field changes the hash.
func TestHashRequestBindsEverythingAsked(t *testing.T) {
	base := access.Request{
		ID: "req_1", Tenant: "t", Principal: access.PrincipalID{Issuer: "a", Subject: "b"}, Person: "b",
		Entitlements: []access.Entitlement{{Connector: "c", Resource: "r", Permission: "p"}}, Duration: time.Hour, Reason: "x",
	}
	change := map[string]func(*access.Request){
		"id":      func(r *access.Request) { r.ID = "req_2" },
		"tenant":  func(r *access.Request) { r.Tenant = "u" },
		"issuer":  func(r *access.Request) { r.Principal.Issuer = "z" },
		"subject": func(r *access.Request) { r.Principal.Subject = "z" },
		"person":  func(r *access.Request) { r.Person = "z" },
		"bundle":  func(r *access.Request) { r.Bundle = "z" },
		"entitlement": func(r *access.Request) {
			r.Entitlements = []access.Entitlement{{Connector: "c", Resource: "r", Permission: "q"}}
		},
		"duration":      func(r *access.Request) { r.Duration++ },
		"start":         func(r *access.Request) { r.Start = time.Unix(1, 0) },
		"reason":        func(r *access.Request) { r.Reason = "y" },
		"ticket":        func(r *access.Request) { r.Ticket = "y" },
		"params":        func(r *access.Request) { r.Params = map[string]string{"k": "v"} },
		"break-glass":   func(r *access.Request) { r.BreakGlass = true },
		"asker":         func(r *access.Request) { r.AskedBy.Subject = "bob" },
		"asking person": func(r *access.Request) { r.AskedByPerson = "bob" },
		"recipient":     func(r *access.Request) { r.Recipient = []byte("k") },
	}
	seen := map[string]string{string(access.HashRequest(base)): "nothing"}
	for name, f := range change {
		r := base
		f(&r)
		h := string(access.HashRequest(r))
		if other, ok := seen[h]; ok {
			t.Errorf("a change of %s hashes like a change of %s", name, other)
		}
		seen[h] = name
	}
	r := base
	r.State, r.Version = access.RequestApproved, 7
	if string(access.HashRequest(r)) != string(access.HashRequest(base)) {
		t.Error("the state is no part of what was asked")
	}
	h := access.HashRequest(base)
	if string(access.HashReview(h, []string{"a", "b"})) == string(access.HashReview(h, []string{"ab"})) {
		t.Error("digests run into each other")
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("dial 10.0.0.1: refused")
	err := fmt.Errorf("granting: %w", access.Wrap(access.KindUnavailable, cause, "The target does not answer."))
	if access.KindOf(err) != access.KindUnavailable || access.SafeMessage(err) != "The target does not answer." || !errors.Is(err, cause) {
		t.Errorf("%v: kind %s, message %q", err, access.KindOf(err), access.SafeMessage(err))
	}
	if strings.Contains(access.SafeMessage(cause), "10.0.0.1") {
		t.Error("an error without a sentence shows its detail")
	}
	for err, want := range map[error]access.Kind{
		cause: access.KindInternal, context.DeadlineExceeded: access.KindTimeout, context.Canceled: access.KindUnavailable,
	} {
		if access.KindOf(err) != want {
			t.Errorf("%v is %s", err, access.KindOf(err))
		}
	}
	for status, want := range map[int]access.Kind{
		401: access.KindUnauthenticated, 403: access.KindDenied, 404: access.KindNotFound, 409: access.KindConflict,
		422: access.KindInvalid, 413: access.KindInvalid, 500: access.KindInternal, 502: access.KindInternal, 503: access.KindUnavailable,
	} {
		if got := access.KindOfHTTPStatus(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	id := access.GrantID("gr_0123456789abcdef")
	if access.Short(id) != "abcdef" || !access.MatchesShort(id, "abcdef") || !access.MatchesShort(id, string(id)) {
		t.Error("the last six characters do not stand for the identifier")
	}
	for _, typed := range []string{"", "bcdef", "9abcdef", "ABCDEF"} {
		if access.MatchesShort(id, typed) {
			t.Errorf("%q stands for %s", typed, id)
		}
	}
}

func TestMicros(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 0, 0, 123456789, time.UTC)
	if got := access.FromMicros(access.Micros(now)); !got.Equal(now.Truncate(time.Microsecond)) {
		t.Errorf("%s comes back as %s", now, got)
	}
	if access.Micros(time.Time{}) != 0 || !access.FromMicros(0).IsZero() {
		t.Error("the zero time is not 0")
	}
}
