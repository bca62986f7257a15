package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

func ring(t *testing.T) *keyring {
	t.Helper()
	state := t.TempDir()
	p := &program{getenv: func(name string) string { return map[string]string{"CURFEW_STATE": state}[name] }}
	k, err := p.openKeyring()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.close)
	return k
}

func (k *keyring) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(k.name)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestKeyOfALostAnswerIsFoundByItsPublicHalf(t *testing.T) {
	k := ring(t)
	key, err := k.create(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	found, err := k.find("req_1", key.Public())
	if err != nil || found == nil || !bytes.Equal(found.Public(), key.Public()) {
		t.Fatalf("found %v, %v", found, err)
	}
	if found, err := k.find("req_1", []byte("another")); err != nil || found != nil {
		t.Errorf("found %v, %v", found, err)
	}
	if err := k.adopt(key, "req_1", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if files := k.files(t); !slices.Equal(files, []string{"req_1.json"}) {
		t.Errorf("files: %v", files)
	}
}

func TestPruneRemovesOnlyWhatIsOver(t *testing.T) {
	k := ring(t)
	now := time.Now()
	for name, until := range map[string]time.Time{"req_past": now.Add(-time.Second), "req_future": now.Add(time.Hour)} {
		key, err := k.create(until)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.adopt(key, name, until); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(k.name, "notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.prune(now); err != nil {
		t.Fatal(err)
	}
	if files := k.files(t); !slices.Equal(files, []string{"notes.txt", "req_future.json"}) {
		t.Errorf("files: %v", files)
	}
}

func TestNamesFromTheServerStayInTheFolder(t *testing.T) {
	k := ring(t)
	key, err := k.create(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../../x", "/etc/passwd", "a/b", "a\x00b", "a.b", strings.Repeat("a", 65)} {
		if err := k.adopt(key, name, time.Now()); err == nil {
			t.Errorf("adopted as %q", name)
		}
		if _, err := k.find(name, nil); err == nil {
			t.Errorf("looked for %q", name)
		}
	}
}

// A submission whose answer is lost may have been accepted: its key stays. One that was refused leaves none.
func TestKeyOutlivesALostAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kept    int
	}{
		"lost": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 1},
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"title":"x","status":422,"detail":"No."}`)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			k := ring(t)
			cl, err := client.NewClient(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := submit(t.Context(), cl, k, client.RequestBody{}); err == nil {
				t.Error("no error")
			}
			if files := k.files(t); len(files) != c.kept {
				t.Errorf("%d keys are left, want %d", len(files), c.kept)
			}
		})
	}
}

func TestOnlyGETsAreSentAgain(t *testing.T) {
	var sent atomic.Int32
	broken := roundTripper(func(*http.Request) (*http.Response, error) {
		sent.Add(1)
		return nil, errors.New("connection refused")
	})
	for method, want := range map[string]int32{http.MethodGet: tries, http.MethodPost: 1} {
		sent.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := retrying{broken}.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		if err == nil || sent.Load() != want {
			t.Errorf("%s: %v after %d tries, want %d", method, err, sent.Load(), want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnswersThatAreNotCurfews(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "check CURFEW_URL"},
		"a gateway's error": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "\x1b[31mbad gateway", http.StatusBadGateway)
		}, "answers 502"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		}, "answers 302"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			var stdout, stderr bytes.Buffer
			env := map[string]string{"CURFEW_URL": server.URL, "CURFEW_TOKEN": "token-canary"}
			code := run(t.Context(), []string{"whoami"}, strings.NewReader(""), &stdout, &stderr, func(k string) string { return env[k] })
			if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("exit %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
			if strings.ContainsAny(stderr.String(), "\x1b") || strings.Contains(stderr.String(), "canary") {
				t.Errorf("stderr %q", stderr.String())
			}
		})
	}
}

func TestInterruptedWaitingSaysThatTheRequestStays(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := client.NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{stderr: io.Discard}
	r, err := p.await(ctx, c, client.Request{ID: "req_000abc123", State: client.RequestStatePending}, time.Hour)
	if err = goesOn(r, err); err == nil || !strings.Contains(err.Error(), "curfew withdraw abc123") || access.KindOf(err).ExitCode() != 1 {
		t.Errorf("%v", err)
	}
}

func TestProgressOnATerminalLeavesNothing(t *testing.T) {
	terminal := &syncbuf.Buffer{}
	show := &progress{out: terminal, quit: make(chan struct{})}
	show.set("waiting for \x1b[31mred\n" + strings.Repeat("x", 200))
	show.done.Go(show.animate)
	show.stop()
	got := terminal.String()
	if !strings.HasPrefix(got, clearLine+`waiting for \x1b[31mred\nxxx`) || !strings.HasSuffix(got, clearLine) {
		t.Errorf("%q", got)
	}
	if strings.Contains(got, "\n") {
		t.Errorf("the line breaks: %q", got)
	}
}
