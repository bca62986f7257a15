package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/webhook"
)

var (
	_ delivery.Witness = (*webhook.Witness)(nil)
	_ delivery.Stream  = (*webhook.Stream)(nil)
)

// received is a request as a receiver has it.
type received struct {
	header http.Header
	body   string
}

// receiver answers with a status, and hands over what it receives.
func receiver(t *testing.T, status int) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- received{r.Header, string(body)}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func TestWitness(t *testing.T) {
	for _, token := range []string{"", "a-token"} {
		url, got := receiver(t, http.StatusNoContent)
		err := webhook.NewWitness(url, token).Keep(t.Context(), []byte("origin\n1\nhash\n\n— origin sig\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := <-got
		if r.body != "origin\n1\nhash\n\n— origin sig\n" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%+v", r)
		}
		if want := strings.TrimSuffix("Bearer "+token, "Bearer "); r.header.Get("Authorization") != want {
			t.Errorf("Authorization: %q, want %q", r.header.Get("Authorization"), want)
		}
	}
	url, _ := receiver(t, http.StatusServiceUnavailable)
	err := webhook.NewWitness(url, "a-token").Keep(t.Context(), []byte("note"), nil)
	if err == nil || strings.Contains(err.Error(), "a-token") {
		t.Errorf("a receiver that refuses: %v", err)
	}
}

func TestStream(t *testing.T) {
	url, got := receiver(t, http.StatusOK)
	s := webhook.NewStream(url, "a-key")
	batch := []delivery.Message{{Position: 7, Body: []byte(`{"position":7}`)}, {Position: 8, Body: []byte(`{"position":8}`)}}
	if err := s.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.body != "{\"position\":7}\n{\"position\":8}\n" || r.header.Get(webhook.PositionsHeader) != "7-8" || r.header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%+v", r)
	}
	// What a receiver does with the signature, written out.
	at, mac, found := strings.Cut(strings.TrimPrefix(r.header.Get(webhook.SignatureHeader), "t="), ",v1=")
	h := hmac.New(sha256.New, []byte("a-key"))
	h.Write([]byte(at + "." + r.body))
	if !found || mac != hex.EncodeToString(h.Sum(nil)) {
		t.Errorf("the signature is %q", r.header.Get(webhook.SignatureHeader))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	failing, _ := receiver(t, http.StatusTooManyRequests)
	if err := webhook.NewStream(failing, "a-key").Send(t.Context(), batch); err == nil {
		t.Error("a receiver that refuses is taken for one that has it")
	}
}

// The value is fixed: receivers are written against it. It is what openssl dgst -sha256 -hmac key says of "1700000000.body".
func TestSign(t *testing.T) {
	got := webhook.Sign([]byte("key"), time.Unix(1_700_000_000, 0), []byte("body"))
	if want := "t=1700000000,v1=47b6ce0fca59474308e2921c247cb2493dce6b8101d90ac05bd0c6a37d0e046e"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
