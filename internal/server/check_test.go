package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/telemetry"
)

// checked is books that say what they were told to when they are read as a whole.
type checked struct {
	books
	check func(context.Context) error
}

func (c checked) Check(ctx context.Context) error { return c.check(ctx) }

func newChecking() (*Server, *bytes.Buffer) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	return &Server{log: log, telemetry: telemetry.New(telemetry.Options{Log: log})}, &out
}

func scrape(s *Server) string {
	answer := httptest.NewRecorder()
	s.telemetry.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func TestDamageIsSeen(t *testing.T) {
	s, out := newChecking()
	damage := errors.New("page 7 is not a page")
	s.checkBooks(checked{check: func(context.Context) error { return damage }})
	<-s.checked
	if err := s.ready(t.Context()); !errors.Is(err, damage) {
		t.Errorf("ready says %v", err)
	}
	if !strings.Contains(out.String(), damage.Error()) || !strings.Contains(scrape(s), "\ncurfew_store_damaged 1\n") {
		t.Errorf("the damage is not in the log or the metrics: %s", out)
	}
}

// A check that the end of the process cuts short found nothing.
func TestCheckEndsWithTheServer(t *testing.T) {
	s, out := newChecking()
	s.checkBooks(checked{check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if s.damage.Load() != nil || strings.Contains(scrape(s), "\ncurfew_store_damaged 1\n") || out.Len() > 0 {
		t.Errorf("a check that was cut short found damage: %s", out)
	}
}
